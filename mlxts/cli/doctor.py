"""`doctor` and `verify`: is this machine fit, and are the data what the manifests say?"""

from typing import TYPE_CHECKING, Any

import typer

from mlxts import formats
from mlxts.cli.output import JsonOption, Note, note, render
from mlxts.tables import Table

if TYPE_CHECKING:
    from pathlib import Path

    from mlxts.workspace.packages import UnmetRequirement
    from mlxts.workspace.project import Problem


def doctor(as_json: JsonOption = False) -> None:
    """Describe this machine: device, BLAS and its measured speed, memory, sensors, data.

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
    shown = {key: str(value) for key, value in findings.items() if value is not None}
    shown["versions"] = ", ".join(f"{name} {number}" for name, number in _versions().items())
    for key in ("memory_bytes", "ram_bytes"):
        shown[key] = formats.size(findings[key])
    render(findings, as_json, Table.of("This machine", ("", "found"), shown.items()))


def verify(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check the environment, hashes of registered files and, in a project, its documents."""
    from mlxts.workspace import packages, project

    root = project.find()
    unfit = packages.problems(root) if root else []
    if any(problem.missing for problem in unfit):  # what follows would end in a traceback
        sentences = [str(requirement) for requirement in unfit]
        render({"ok": False, "problems": sentences}, as_json, sentences)
        raise typer.Exit(2)
    _verify(context, root, unfit, as_json)


def _verify(
    context: typer.Context, root: "Path | None", unfit: "list[UnmetRequirement]", as_json: bool
) -> None:
    from contextlib import nullcontext

    from mlxts.data import store
    from mlxts.platform import device
    from mlxts.workspace import project

    with project.at_home(root) if root else nullcontext():
        files, documents = store.verify(), _documents(context)
    problems = documents or []
    packages = [str(requirement) for requirement in unfit]
    result = {
        "ok": files.ok and not (problems or unfit),
        "checked": files.checked,
        "changed": files.changed,
        "missing": files.missing,
        "unregistered": files.unregistered,
        "versions": _versions(),
        "blas": device.describe()["blas"],
        "packages": packages,
        "problems": None if documents is None else [vars(problem) for problem in problems],
    }
    screen: list[str] = [*packages, *map(str, problems)]
    if files.ok:
        screen += [
            *(
                Note(f"{path} is not registered; `mlxts data register-raw` adds it")
                for path in files.unregistered
            ),
            f"{formats.count(files.checked, 'file')} checked: unchanged; "
            f"{formats.count(len(_versions()), 'package')} found.",
        ]
        if documents is not None:
            screen.append(f"documents and workspace: {formats.count(len(problems), 'problem')}.")
    render(result, as_json, screen)
    if not as_json:
        files.require()
    if not result["ok"]:
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
