"""What training with 2,000 features takes of the machine, and whether it grows.

The training loop itself runs, with validation and checkpoints, on a feature array of real size with
random values. A step's event says what the process takes, which is what the live screen shows.
"""

import ctypes
import gc
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Benchmark, Picture, Row, fresh, main
from mlxts.platform import device  # before MLX, so that MLX finds the fast BLAS

# isort: split
import numpy as np
import polars as pl

from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.data.sources import parquet
from mlxts.dataset.build import feature_array
from mlxts.model import flops, parameter_budget
from mlxts.model.patchtst import PatchTST
from mlxts.platform import memory
from mlxts.training.events import Event, StepEvent, StopEvent
from mlxts.training.loop import Arrays, fresh_state, train
from mlxts.training.memory_plan import MemoryPlan
from mlxts.training.step import make_optimizer

MIB = 2**20
ROWS_OF_A_SYMBOL = 8_000
SETTLED = 100  # steps after which a process has everything it will ever need
CASES: tuple[
    Row, ...
] = (  # daily bars of SPY since 1993, and of 15 symbols; the last one for growth
    {"size": "2M", "features": 2000, "rows": 8_000, "batch": 64, "steps": 60},
    {"size": "2M", "features": 2000, "rows": 120_000, "batch": 64, "steps": 60},
    {"size": "2M", "features": 2000, "rows": 8_000, "batch": 8, "steps": 2000},
)
QUICK: tuple[Row, ...] = (
    {"size": "0.02M", "features": 200, "rows": 4_000, "batch": 8, "steps": 300},
)


def measure_case(size: str, features: int, rows: int, batch: int, steps: int, file: str) -> Row:
    """MiB of one training process, from before its data to its last step."""
    began = memory.footprint()
    array, _ = feature_array(pl.scan_parquet(file), _names(features))
    built, built_at_most = _settled_footprint(), memory.largest_footprint()
    settings = build_config(
        {
            "name": "memory", "mode": "exploratory", "budget": size,
            "training": {
                "batch_size": batch, "max_epochs": steps, "patience": 10**6,
                "validations_per_epoch": 1,
            },
        }
    )  # fmt: skip
    shape = parameter_budget.solve(size, features, settings.model)
    planned = array.nbytes + MemoryPlan.counted(settings, shape).peak(batch)
    largest = array.nbytes + flops.largest_bytes(shape, batch)
    device.limit_memory(planned, largest)  # as a run does
    taken = _train(settings, PatchTST(shape, seed=0), array, steps)
    settled = taken[min(SETTLED, len(taken) // 2) :]
    return {
        "case": f"{rows:,} rows, batch {batch}",
        "features_mib": array.nbytes / MIB,
        "planned_mib": planned / MIB,
        "libraries_mib": began / MIB,
        "building_peak_mib": built_at_most / MIB,
        "built_mib": built / MIB,
        "training_mib": float(np.median(settled)) / MIB,
        "training_peak_mib": max(taken) / MIB,
        "ratio": max(taken) / planned,
        "ratio_without_libraries": (max(taken) - began) / planned,
        "steps": len(taken),
        "growth_mib": float(np.median(settled[-50:]) - np.median(settled[:50])) / MIB,
    }


def _settled_footprint() -> int:
    """Bytes without what is free: glibc keeps freed memory below whatever is still in use."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return memory.footprint()


def write_features(rows: int, features: int, file: Path) -> None:
    """Random features as an artifact holds them, symbol after symbol."""
    rng = np.random.default_rng(0)
    names = _names(features)

    def tables() -> Iterator[pl.DataFrame]:
        for first in range(0, rows, ROWS_OF_A_SYMBOL):
            height = min(ROWS_OF_A_SYMBOL, rows - first)
            values = rng.standard_normal((features, height), dtype=np.float32)
            yield pl.DataFrame(dict(zip(names, values, strict=True)))

    parquet.write(tables(), file)


def _names(features: int) -> list[str]:
    return [f"f{number}" for number in range(features)]


def _train(settings: ExperimentConfig, model: PatchTST, array: np.ndarray, steps: int) -> list[int]:
    """The footprint after each of `steps` updates."""
    rng = np.random.default_rng(1)
    ends = np.arange(settings.model.context - 1, len(array), dtype=np.int32)
    targets = (rng.random(len(ends)) < 0.2).astype(np.float32)
    arrays = Arrays(device.on_device(array), ends, targets, ends[-200:], targets[-200:])
    taken: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepEvent):
            taken.append(event.memory["process"])

    def gate(step: int) -> StopEvent | None:
        return StopEvent(step, "interrupted", "enough") if step >= steps else None

    with tempfile.TemporaryDirectory() as folder:
        train(
            settings, arrays, model, make_optimizer(settings.training),
            fresh_state(settings, "memory"), binary=True,
            micro_batch=settings.training.batch_size, folder=Path(folder), emit=listen, gate=gate,
        )  # fmt: skip
    return taken


def measure(quick: bool) -> list[Row]:
    found = []
    for case in QUICK if quick else CASES:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "features.parquet")
            write_features(case["rows"], case["features"], file)
            found.append(fresh(__file__, case | {"file": str(file)}))
    return found


BENCHMARK = Benchmark(
    name="memory",
    question="How much memory does training with 2,000 features need, and does it grow?",
    measure=measure,
    columns={
        "case": "case",
        "features_mib": "features MiB|,.0f",
        "planned_mib": "features, model, optimizer, activations MiB|,.0f",
        "libraries_mib": "Python and libraries MiB|,.0f",
        "building_peak_mib": "peak while features are read MiB|,.0f",
        "training_mib": "training MiB|,.0f",
        "training_peak_mib": "training peak MiB|,.0f",
        "ratio": "peak / planned|.2f",
        "ratio_without_libraries": "peak without libraries / planned|.2f",
        "steps": "steps|,.0f",
        "growth_mib": "growth MiB|.1f",
    },
    picture=Picture("bars", ("case",), "ratio", level=1.3),
    notes=(
        "2M mixing; resident set of the process (physical footprint on macOS) after every step.",
        "Criterion: a peak of at most 1.3 times the plan, which counts features, model, optimizer "
        "and the activations of one micro-batch. The interpreter and its libraries are in the "
        "peak, not in the plan; with few features they are most of the difference.",
        "Features are read from their file a few columns at a time, into the array itself.",
        f"Growth: from the 50 steps after the first {SETTLED} to the last 50.",
    ),
    case=measure_case,
)

if __name__ == "__main__":
    main(BENCHMARK)
