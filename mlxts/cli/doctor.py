"""`doctor`: is this machine fit?"""

from typing import Any

from mlxts import formats
from mlxts.cli.output import JsonOption, note, render
from mlxts.tables import Table


def doctor(as_json: JsonOption = False) -> None:
    """Describe this machine: device, BLAS and its measured speed, memory, sensors, data.

    Also reports problems of MLX's library: two wheels of one file, a macOS too old for it.
    """
    import psutil

    from mlxts import files, platform
    from mlxts.data import store
    from mlxts.platform import device, wheels

    if not as_json:
        note("measuring ...")
    compiled = platform.enable(probe=True)
    findings: dict[str, Any] = {
        **device.describe(),
        "kernels": "vector" if compiled else "stock",
        "matmul_gflops": round(device.matmul_gflops(), 1),
        "ram_bytes": psutil.virtual_memory().total,
        "sensor": _sensor(),
        "versions": versions(),
        "mlx_library": wheels.owner(),
        "problem": wheels.problem(),
        "workspace": str(files.home().resolve()),
        "raw_artifacts": len(store.raw_artifacts()),
        "processed_artifacts": len(store.processed_artifacts()),
    }
    rows = {key: str(value) for key, value in findings.items() if value is not None}
    rows["versions"] = ", ".join(f"{name} {number}" for name, number in versions().items())
    for key in ("memory_bytes", "ram_bytes"):
        rows[key] = formats.size(findings[key])
    render(findings, as_json, Table.of("This machine", ("", "found"), rows.items()))


def _sensor() -> str:
    from mlxts.thermal import sensors

    choice = sensors.choose("auto")
    for sensor in choice.sensors:
        sensor.close()
    return f"{choice.source}: {choice.why}"


def versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("mlxts", "mlx", "numpy", "polars", "TA-Lib", "optuna", "scikit-learn")
    return {name: version(name) for name in names}
