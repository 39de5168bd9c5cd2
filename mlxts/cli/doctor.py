"""`doctor` and `verify`: is this machine fit, and are the data what the manifests say?"""

from typing import TYPE_CHECKING, Any

import typer

from mlxts.cli.output import JsonOption, counted, emit, note, say, table

if TYPE_CHECKING:
    from pathlib import Path

    from mlxts.workspace.packages import Unfit
    from mlxts.workspace.project import Problem


def doctor(as_json: JsonOption = False) -> None:
    """What this machine is: device, BLAS and its measured speed, memory, sensors, data.

    Says too what is wrong with MLX's library: two wheels of one file, a macOS too old for it.
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
        "versions": _versions(),
        "mlx_library": wheels.owner(),
        "problem": wheels.problem(),
        "workspace": str(files.home().resolve()),
        "raw_artifacts": len(store.raw_artifacts()),
        "processed_artifacts": len(store.processed_artifacts()),
    }
    if as_json:
        emit(findings)
        return
    shown = {key: str(value) for key, value in findings.items() if value is not None}
    shown["versions"] = ", ".join(f"{name} {number}" for name, number in _versions().items())
    for key in ("memory_bytes", "ram_bytes"):
        shown[key] = f"{findings[key] / 2**30:.1f} GiB"
    table("This machine", ["", "found"], list(shown.items()))


def verify(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check environment, registered files' hashes and, in the project, every document."""
    from mlxts.workspace import packages, project

    root = project.find()
    unfit = packages.problems(root) if root else []
    if any(problem.missing for problem in unfit):  # what follows would end in a traceback
        _say_unfit(unfit, as_json)
        raise typer.Exit(2)
    _verify(context, root, unfit, as_json)


def _say_unfit(unfit: "list[Unfit]", as_json: bool) -> None:
    if as_json:
        emit({"ok": False, "problems": [str(one) for one in unfit]})
        return
    for one in unfit:
        say(str(one))


def _verify(
    context: typer.Context, root: "Path | None", unfit: "list[Unfit]", as_json: bool
) -> None:
    from contextlib import nullcontext

    from mlxts.data import store
    from mlxts.platform import device
    from mlxts.workspace import project

    with project.at_home(root) if root else nullcontext():
        found, documents = store.verify(), _documents(context)
    problems = documents or []
    fit = not (problems or unfit)
    if as_json:
        emit(
            {
                "ok": found.ok and fit,
                "checked": found.checked,
                "changed": found.changed,
                "missing": found.missing,
                "unregistered": found.unregistered,
                "versions": _versions(),
                "blas": device.describe()["blas"],
                "packages": [str(one) for one in unfit],
                "problems": None if documents is None else [vars(one) for one in problems],
            }
        )
        if not (fit and found.ok):
            raise typer.Exit(2)
        return
    _say_unfit(unfit, as_json)
    for problem in problems:
        say(str(problem))
    found.require()
    for path in found.unregistered:
        note(f"{path} is not registered; `mlxts data register-raw` adds it")
    say(
        f"{counted(found.checked, 'file')} checked: as the manifests say; "
        f"{counted(len(_versions()), 'package')} found."
    )
    if documents is not None:
        say(f"documents and workspace: {counted(len(problems), 'problem')}.")
    if not fit:
        raise typer.Exit(2)


def _documents(context: typer.Context) -> "list[Problem] | None":
    """What is wrong with the project's documents; None outside of it."""
    from mlxts.workspace import documents, project

    root = project.find()
    return None if root is None else documents.check(root, context.find_root().command)


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
