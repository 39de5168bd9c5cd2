"""`doctor`: is this machine fit?"""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlxts import formats
from mlxts.cli.output import Drawn, JsonOption, Note, note, render

if TYPE_CHECKING:
    from rich.table import Table as RichTable

_SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "bold red")}
_LITTLE_MEMORY = 4 * 2**30  # bytes below which only small budgets train
_LITTLE_DISK = 5 * 2**30  # bytes below which a sweep may end in the middle


@dataclass(frozen=True)
class Check:
    """One thing about the machine: what was found, and what to do where it is not well."""

    name: str
    found: str
    status: Literal["ok", "warning", "problem"] = "ok"
    advice: str = ""


def doctor(as_json: JsonOption = False) -> None:
    """Check this machine: device, matrix products, memory, temperature, disk and data."""
    import psutil

    from mlxts import files, platform
    from mlxts.data import store
    from mlxts.platform import device, wheels

    if not as_json:
        note("measuring ...")
    compiled = platform.enable(probe=True)
    folder = files.home().resolve()
    findings: dict[str, Any] = {
        **device.describe(),
        "kernels": "vector" if compiled else "stock",
        "matmul_gflops": round(device.matmul_gflops(), 1),
        "ram_bytes": psutil.virtual_memory().total,
        "disk_free_bytes": shutil.disk_usage(
            next(p for p in (folder, *folder.parents) if p.exists())
        ).free,
        "sensor": _sensor(),
        "versions": versions(),
        "mlx_library": wheels.owner(),
        "problem": wheels.problem(),
        "workspace": str(folder),
        "raw_artifacts": len(store.raw_artifacts()),
        "processed_artifacts": len(store.processed_artifacts()),
    }
    found = checks(findings)
    wrong = sum(check.status != "ok" for check in found)
    end = f"{formats.count(wrong, 'thing')} to look at." if wrong else "All is well."
    result = {**findings, "checks": [asdict(check) for check in found]}
    render(result, as_json, [Drawn(_listed(found)), Note(end)])


def checks(findings: Mapping[str, Any]) -> list[Check]:
    """What was found, judged."""
    threads = formats.count(findings["threads"], "thread")
    on_cpu = findings["device"] == "cpu"
    return [
        _library(findings),
        Check("device", f"{findings['device_name']} ({findings['device']}), {threads}"),
        _products(findings),
        _kernels(findings) if on_cpu else Check("TF32", findings["tf32"]),
        _memory(findings),
        _temperature(findings["sensor"]),
        _disk(findings),
        _data(findings),
        Check("packages", ", ".join(f"{name} {n}" for name, n in findings["versions"].items())),
        Check("system", f"{findings['platform']}, Python {findings['python']}"),
    ]


def _library(findings: Mapping[str, Any]) -> Check:
    wheel = f" ({findings['mlx_library']})" if findings["mlx_library"] else ""
    if findings["problem"] is None:
        return Check("MLX", f"{findings['mlx']}{wheel}")
    what, _, advice = findings["problem"].rpartition(": ")
    return Check("MLX", what, "problem", advice)


def _products(findings: Mapping[str, Any]) -> Check:
    name = "" if findings["blas"] == "device" else f"{findings['blas']}, "
    found = f"{name}{findings['matmul_gflops']:,.0f} GFLOP/s in float32"
    if findings["blas"] == "reference":
        advice = "install MKL (`pip install mkl`) or your distribution's libopenblas0"
        return Check("matrix products", found, "problem", advice)
    return Check("matrix products", found)


def _kernels(findings: Mapping[str, Any]) -> Check:
    if findings["kernels"] == "vector" or sys.platform == "darwin":
        return Check("kernels", findings["kernels"])
    advice = "install g++ and unset MLXTS_KERNELS: steps are several times faster"
    return Check("kernels", findings["kernels"], "warning", advice)


def _memory(findings: Mapping[str, Any]) -> Check:
    usable = findings["memory_bytes"]
    found = f"{formats.size(usable)} for training of {formats.size(findings['ram_bytes'])}"
    if usable is not None and usable < _LITTLE_MEMORY:
        return Check("memory", found, "warning", "close other programs, or train small budgets")
    return Check("memory", found)


def _temperature(sensor: str) -> Check:
    if sensor.startswith("none:"):
        advice = "runs go on unwatched; `mlxts thermal` lists the sensors and what each one needs"
        return Check("temperature", sensor.partition(": ")[2], "warning", advice)
    return Check("temperature", sensor)


def _disk(findings: Mapping[str, Any]) -> Check:
    free = findings["disk_free_bytes"]
    found = f"{formats.size(free)} free at {findings['workspace']}"
    if free < _LITTLE_DISK:
        return Check("disk", found, "warning", "free some, or set MLXTS_HOME to a larger disk")
    return Check("disk", found)


def _data(findings: Mapping[str, Any]) -> Check:
    if not findings["raw_artifacts"]:
        advice = "`mlxts data download SPY`, or `mlxts demo`, which needs no network"
        return Check("data", "no series is stored here", "warning", advice)
    series = formats.count(findings["raw_artifacts"], "stored file")
    return Check("data", f"{series}, {findings['processed_artifacts']} of features")


def _listed(found: list[Check]) -> "RichTable":
    """A line for each, and what to do under it."""
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column()
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for check in found:
        sign, style = _SIGNS[check.status]
        grid.add_row(Text(sign, style=style), check.name, Text(check.found))
        if check.advice:
            grid.add_row("", "", Text(f"→ {check.advice}", style=style))
    return grid


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
