"""`doctor` and `verify`: is this machine fit, and are the data what the manifests say?"""

from typing import Any

import typer

from mlxts.cli.output import JsonOption, emit, note, table


def doctor(as_json: JsonOption = False) -> None:
    """What this machine is: device, BLAS and its measured speed, memory, sensors, data."""
    import psutil

    from mlxts import backend, files, kernels
    from mlxts.data import store

    if not as_json:
        note("measuring ...")
    compiled = kernels.enable(probe=True)
    findings: dict[str, Any] = {
        **backend.describe(),
        "kernels": "vector" if compiled else "stock",
        "matmul_gflops": round(backend.matmul_gflops(), 1),
        "ram_bytes": psutil.virtual_memory().total,
        "sensor": _sensor(),
        "versions": _versions(),
        "workspace": str(files.home().resolve()),
        "raw_artifacts": len(store.raw_artifacts()),
        "processed_artifacts": len(store.processed_artifacts()),
    }
    if as_json:
        emit(findings)
        return
    shown = {key: str(value) for key, value in findings.items()}
    shown["versions"] = ", ".join(f"{name} {number}" for name, number in _versions().items())
    for key in ("memory_bytes", "ram_bytes"):
        shown[key] = f"{findings[key] / 2**30:.1f} GiB"
    table("This machine", ["", "found"], list(shown.items()))


def verify(as_json: JsonOption = False) -> None:
    """Check the environment and every registered file's hash; names what is wrong."""
    from mlxts import backend
    from mlxts.data import store

    found = store.verify()
    if as_json:
        emit(
            {
                "ok": found.ok,
                "checked": found.checked,
                "changed": found.changed,
                "missing": found.missing,
                "unregistered": found.unregistered,
                "versions": _versions(),
                "blas": backend.describe()["blas"],
            }
        )
        if not found.ok:
            raise typer.Exit(2)
        return
    found.require()
    for path in found.unregistered:
        note(f"{path} is not registered; `mlxts data register-raw` adds it")
    print(f"{found.checked} files are what the manifests say; {len(_versions())} packages found.")


def _sensor() -> str:
    from mlxts.thermal import sensors

    choice = sensors.choose("auto")
    for sensor in choice.sensors:
        sensor.close()
    return f"{choice.source}: {choice.why}"


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("mlxts", "mlx", "numpy", "polars", "pyarrow", "TA-Lib", "optuna", "scikit-learn")
    return {name: version(name) for name in names}
