"""How many samples go through a forward pass at a time: planned from memory, chosen by timing.

The samples of an optimizer step are the experiment's business (`training.batch_size`); how they
are cut into micro-batches is the machine's. Running out of memory cannot be tried out (on the CPU
backend it is a segmentation fault), so what would not fit is never started.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import mlx.core as mx
import numpy as np

from mlxts import backend
from mlxts.config import ExperimentConfig
from mlxts.dataset import Dataset
from mlxts.errors import BudgetError, RunError
from mlxts.files import canonical_hash, outputs_folder, write_json
from mlxts.model import cost
from mlxts.model.patchtst import PatchTST, Shape
from mlxts.training.batches import Batches
from mlxts.training.step import Step, make_optimizer

_CANDIDATES = 4  # the largest that fits and its halves


@dataclass(frozen=True)
class Trial:
    micro_batch: int
    seconds_per_step: float
    memory_bytes: int  # planned


@dataclass(frozen=True)
class TuningRecord:
    """The outcome of `mlxts batch-size` for a budget on a machine; strict training needs one."""

    budget: str
    channels: str
    features: int
    batch_size: int
    device: str
    symbols: tuple[str, ...]
    micro_batch: int
    trials: tuple[Trial, ...]
    timestamp: str


def micro_batch(config: ExperimentConfig, shape: Shape) -> int:
    """The configured micro-batch, else the tuned one, else (exploratory) the whole batch.

    Raises:
        RunError: strict mode, and this budget was never tuned on this machine.
    """
    if config.training.micro_batch:
        return config.training.micro_batch
    record = find(config, shape.features)
    if record is not None:
        return record.micro_batch
    if config.mode == "strict":
        raise RunError(
            f"the batch size was not tuned for {config.budget} ({config.model.channels}, batch "
            f"{config.training.batch_size}) on this machine; run `mlxts batch-size CONFIG` first"
        )
    return config.training.batch_size


def find(config: ExperimentConfig, features: int) -> TuningRecord | None:
    """The record for this budget and machine: of these features if there is one, else any."""
    training = config.training
    wanted = (config.budget, config.model.channels, training.batch_size, machine())
    records = [
        record
        for path in sorted(_folder().glob("*.json"))
        if (record := _read(path)) is not None
        and (record.budget, record.channels, record.batch_size, record.device) == wanted
    ]
    return min(records, key=lambda record: abs(record.features - features), default=None)


def tune(
    config: ExperimentConfig,
    shape: Shape,
    dataset: Dataset,
    progress: Callable[[Trial], None] = lambda trial: None,
) -> TuningRecord:
    """Time the micro-batches that fit and record the fastest.

    Raises:
        BudgetError: not even one sample fits this machine's memory.
        StorageError: the record could not be written.
    """
    trials = []
    for candidate in candidates(config.training.batch_size, shape, dataset.features.nbytes):
        trial = Trial(
            candidate,
            time_steps(config, shape, dataset, candidate),
            cost.step_bytes(shape, candidate, dataset.features.nbytes),
        )
        trials.append(trial)
        progress(trial)
    best = min(trials, key=lambda trial: trial.seconds_per_step)
    record = TuningRecord(
        budget=config.budget,
        channels=config.model.channels,
        features=shape.features,
        batch_size=config.training.batch_size,
        device=machine(),
        symbols=config.data.symbols,
        micro_batch=best.micro_batch,
        trials=tuple(trials),
        timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    key = canonical_hash([record.channels, record.batch_size, record.device])
    write_json(_folder() / f"{config.budget}-{shape.features}-{key[:8]}.json", asdict(record))
    return record


def candidates(batch_size: int, shape: Shape, feature_bytes: int) -> list[int]:
    """Divisors of `batch_size` that fit in memory, largest first.

    Raises:
        BudgetError: none fits.
    """
    usable = backend.usable_memory()
    fitting = [
        size
        for size in range(batch_size, 0, -1)
        if batch_size % size == 0 and cost.step_bytes(shape, size, feature_bytes) <= usable
    ]
    if not fitting:
        needed = cost.step_bytes(shape, 1, feature_bytes)
        raise BudgetError(
            f"one sample needs {needed / 2**30:.1f} GiB and this machine has "
            f"{usable / 2**30:.1f} GiB; choose a smaller budget, fewer features or "
            "model.channels: mixing"
        )
    halves = [size for size in fitting if (fitting[0] // size) & (fitting[0] // size - 1) == 0]
    return halves[:_CANDIDATES]


def time_steps(
    config: ExperimentConfig, shape: Shape, dataset: Dataset, micro_batch: int, count: int = 3
) -> float:
    """Median seconds of an update over `count` real ones, after one that compiles."""
    split = dataset.samples["train"]
    model, optimizer = PatchTST(shape, seed=config.seed), make_optimizer(config.training)
    binary = dataset.task.kind != "regression"
    step = Step(model, optimizer, config.training, binary=binary)
    batches = Batches(
        split.rows, split.targets, config.training.batch_size, micro_batch, config.seed
    )
    features = mx.array(np.asarray(dataset.features))
    seconds = []
    for index in range(count + 1):
        batch = batches.at(index)
        began = time.perf_counter()
        step(index, features, batch.rows, batch.targets, batch.weights, batch.keys)
        mx.eval(model.state, optimizer.state)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


def machine() -> str:
    """What a tuning record holds for: chip, its memory in GiB, and threads where they matter."""
    described = backend.describe()
    gib = round(described["memory_bytes"] / 2**30)
    return f"{described['device']}, {described['device_name']}, {gib} GiB, {described['threads']}"


def _folder() -> Path:
    return outputs_folder() / "results" / "batch_size"


def _read(path: Path) -> TuningRecord | None:
    """A record, or None for a file of another version."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values["trials"] = tuple(Trial(**trial) for trial in values["trials"])
        values["symbols"] = tuple(values["symbols"])
        return TuningRecord(**values)
    except (OSError, ValueError, TypeError, KeyError):
        return None
