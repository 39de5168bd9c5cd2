"""How long one waits before anything happens: import, help, and the first compiled step.

A cold step has an empty kernel cache and tries the compiler first; a warm one finds what the cold
one left.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Benchmark, Picture, Row, fresh, main

TURNS = 3


def run_seconds(*command: str) -> float:
    """Wall time of a process, best of several."""
    found = []
    for _ in range(TURNS):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        found.append(time.perf_counter() - began)
    return min(found)


def first_steps(size: str) -> dict[str, float]:
    """Seconds of imports, of the first step and of the one after it, in this process."""
    began = time.perf_counter()
    from mlxts.platform import device  # noqa: F401

    # isort: split
    from mlxts.workspace import warm_kernels

    imported = time.perf_counter()
    first, second = warm_kernels.two_steps(
        "mixing", binary=True, budget=size
    )  # compiler tried in `first`
    return {"imports": imported - began, "first": first, "second": second}


def measure(quick: bool) -> list[Row]:
    size = "0.02M" if quick else "2M"
    mlxts = str(Path(sys.executable).with_name("mlxts"))
    rows: list[Row] = [
        {"what": "import mlxts", "seconds": run_seconds(sys.executable, "-c", "import mlxts")},
        {"what": "mlxts --help", "seconds": run_seconds(mlxts, "--help")},
    ]
    with tempfile.TemporaryDirectory() as cache:
        environment = {"XDG_CACHE_HOME": cache}
        if os.environ.get("MLXTS_KERNELS") == "stock":
            environment["TMPDIR"] = cache  # where MLX keeps its own kernels
        cold = fresh(__file__, {"size": size}, environment)
        warm_kernels = fresh(__file__, {"size": size}, environment)
    rows += [
        {"what": f"first step of {size}, cold kernels", "seconds": cold["first"]},
        {"what": f"first step of {size}, warm kernels", "seconds": warm_kernels["first"]},
        {"what": f"second step of {size}", "seconds": warm_kernels["second"]},
        {"what": "imports of training", "seconds": warm_kernels["imports"]},
    ]
    return rows


BENCHMARK = Benchmark(
    name="cold_start",
    question="How long does the first result take?",
    measure=measure,
    columns={"what": "what", "seconds": "seconds|.2f"},
    picture=Picture("bars", ("what",), "seconds", log=True),
    notes=("`make setup` compiles the kernels, so that training starts warm.",),
    case=first_steps,
)

if __name__ == "__main__":
    main(BENCHMARK)
