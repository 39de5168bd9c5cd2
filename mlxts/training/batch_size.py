"""How many samples go through a forward pass at a time: planned from memory, chosen by timing.

The samples of an optimizer step are the experiment's business (`training.batch_size`); how they
are cut into micro-batches is the machine's. Running out of memory cannot be tried out (on the CPU
backend it is a segmentation fault), so what would not fit is never started: small steps are
measured in a process of their own, larger ones are planned from them, and each one that is timed
is planned first.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from mlxts import json_files, transfer
from mlxts.config.experiment import ExperimentConfig
from mlxts.data.exogenous_catalog import COLUMN_PREFIX
from mlxts.dataset.samples import Dataset
from mlxts.errors import BudgetError, DeviceError, RunError
from mlxts.files import canonical_hash, outputs_folder, write_json
from mlxts.model import flops
from mlxts.model.initialisation import build_model
from mlxts.model.patchtst import Shape
from mlxts.platform import device as backend
from mlxts.training import memory_plan
from mlxts.training.inputs import inputs
from mlxts.training.memory_plan import MemoryPlan
from mlxts.training.sampler import Batches
from mlxts.training.step import Step, make_optimizer
from mlxts.training.step_probe import Request, StepProbe

_CANDIDATES = 4  # the largest that fits and its halves
_MARGIN = 1.5  # of the formula, for steps that were never measured
_RULES = 4  # sets of gradients; activations that take as much decide the memory of the passes
_TIMED = 3  # steps of a trial, after the one that compiles
_TIE = 0.02  # of the fastest: within it the smaller micro-batch is as good


@dataclass(frozen=True)
class Trial:
    """A step of the whole batch, cut into micro-batches."""

    micro_batch: int
    planned_bytes: int  # MLX's peak without features, as planned before it was tried
    measured_bytes: int
    process_bytes: int  # the largest footprint of the process that tried it
    seconds_per_step: float


@dataclass(frozen=True)
class TuningRecord:
    """The outcome of `mlxts batch-size` on a machine; strict training needs one of the same key."""

    budget: str
    channels: str
    features: int  # of the tier; exogenous series do not count
    precision: str
    gradient_checkpointing: bool
    batch_size: int
    device: str
    symbols: tuple[str, ...]
    shape: str  # digest: depth, heads and the like decide the memory too
    formula: MemoryPlan
    memory: MemoryPlan  # calibrated
    room_bytes: int  # that steps could take
    trials: tuple[Trial, ...]
    micro_batch: Annotated[int, Field(gt=0)]
    reason: str
    timestamp: str


def micro_batch(
    config: ExperimentConfig, shape: Shape, data: Dataset, *, tuned: bool = True
) -> int:
    """The configured micro-batch, else the tuned one, else the largest that fits.

    A record of another feature count is used too, if its micro-batch fits by the formula: tuning
    again is optional when features change, and due when the budget does.

    Args:
        tuned: strict mode wants a record, and a configured micro-batch is none. False: what is
            only planned does without.

    Raises:
        RunError: strict mode, and this budget was never tuned on this machine.
        BudgetError: not even one window fits by the formula.
    """
    problem = untuned(config, data) if tuned else None
    if problem:
        raise RunError(problem)
    if config.training.micro_batch:
        return config.training.micro_batch
    record = find(config, data)
    if record is not None:
        return record.micro_batch
    near = nearest(config, data)
    room = memory_plan.room_ever(data.features.nbytes)
    fitting = MemoryPlan.counted(config, shape).fitting(config.training.batch_size, room)
    if not fitting:
        raise memory_plan.nothing_fits(config, shape, data.features.nbytes, room)
    if near is None:
        return fitting[0]
    return next((size for size in fitting if size <= near.micro_batch), fitting[-1])


def untuned(config: ExperimentConfig, data: Dataset) -> str | None:
    """What keeps strict training from beginning here and how to mend it, or None.

    Where the configuration sets its own micro-batch (as a search does), a record of this budget
    with another batch size will do.
    """
    free = ("features", "batch_size") if config.training.micro_batch else ("features",)
    if config.mode != "strict" or _records(config, data, free):
        return None
    return (
        f"the batch size was not tuned on this machine for {_described(config, data)}; run "
        f"`mlxts batch-size CONFIG --budget {config.budget} --set "
        f"features.tier={config.features.tier}` with this configuration first"
    )


def planned_bytes(config: ExperimentConfig, shape: Shape, data: Dataset, micro_batch: int) -> int:
    """Peak memory of a step without the features: calibrated where it was tuned, else counted."""
    record = find(config, data)
    calibrated = record is not None and record.shape == _digest(shape)
    plan = record.memory if record and calibrated else MemoryPlan.counted(config, shape)
    averages = 0 if config.training.ema_decay is None else 2  # the old one, and the new one
    peak = plan.peak(micro_batch, config.training.batch_size // micro_batch)
    return peak + averages * flops.gradient_bytes(shape)


def find(config: ExperimentConfig, data: Dataset) -> TuningRecord | None:
    """The record of exactly this key, or None."""
    return _read(_path(_key(config, data)))


def nearest(config: ExperimentConfig, data: Dataset) -> TuningRecord | None:
    """The record that differs in the number of features at most, and there the least."""
    features = _asset_features(data)
    records = _records(config, data, ("features",))
    return min(records, key=lambda record: abs(record.features - features), default=None)


def is_of_other_data(record: TuningRecord, config: ExperimentConfig) -> bool:
    """Whether tuning again is recommended: the record was made with other symbols."""
    return record.symbols != config.data.symbols


def tune(
    config: ExperimentConfig,
    shape: Shape,
    data: Dataset,
    progress: Callable[[str], None] = lambda message: None,
) -> TuningRecord:
    """Calibrate the memory, time the micro-batches that fit, and record the fastest.

    Args:
        progress: called with a line about each trial.

    Raises:
        BudgetError: not even one window fits this machine's memory; names what would.
        DeviceError: the device did not finish a step of the smallest micro-batch.
        StorageError: the record could not be written.
    """
    batch, feature_bytes = config.training.batch_size, data.features.nbytes
    room = memory_plan.room_now(feature_bytes)
    formula = MemoryPlan.counted(config, shape)
    if formula.peak(1, batch) > room:
        raise memory_plan.nothing_fits(config, shape, feature_bytes, room)
    with StepProbe(config, shape) as probe:
        progress("measuring the memory of two small steps")
        memory = calibrate(probe, formula, batch, shape, room)
        if not memory.fitting(batch, room):  # what was measured outranks the formula
            raise memory_plan.nothing_fits(config, shape, feature_bytes, room, memory)
        trials = _timed(probe, memory, batch, room, progress)
    best, reason = choose(trials)
    record = TuningRecord(
        **_key(config, data),
        symbols=config.data.symbols,
        shape=_digest(shape),
        formula=formula,
        memory=memory,
        room_bytes=room,
        trials=tuple(trials),
        micro_batch=best.micro_batch,
        reason=reason,
        timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_json(_path(_key(config, data)), asdict(record))
    return record


def calibrate(
    probe: StepProbe, formula: MemoryPlan, batch_size: int, shape: Shape, room: float
) -> MemoryPlan:
    """The memory of a step at any micro-batch, from the passes over few windows, twice.

    Few, but so many that they and not the gradients rule the memory, or the whole batch: below,
    the line would be too flat. Both sizes fit by the formula with a margin; where only a single
    window does, the formula gives the slope, with the margin.
    """
    doubled = [2**power for power in range(max(batch_size, 2).bit_length())]
    sizes = [size for size in doubled if _MARGIN * formula.peak(size) <= room]
    update = probe.measure(Request(1)).mlx_bytes
    if len(sizes) < 2:
        small = probe.measure(Request(1, update=False)).mlx_bytes
        two = round(small + _MARGIN * formula.slope)
        return MemoryPlan.fitted((1, small), (2, two), update, shape)
    ruling = [size for size in sizes[1:] if size * formula.slope >= _RULES * formula.another]
    large = ruling[0] if ruling else sizes[-1]
    small, more = (
        probe.measure(Request(size, update=False)).mlx_bytes for size in (large // 2, large)
    )
    return MemoryPlan.fitted((large // 2, small), (large, more), update, shape)


def candidates(memory: MemoryPlan, batch_size: int, room: float) -> list[int]:
    """The largest micro-batch that fits and its halves, largest first; none if nothing fits."""
    fitting = memory.fitting(batch_size, room)
    halves = [size for size in fitting if (fitting[0] // size) & (fitting[0] // size - 1) == 0]
    return halves[:_CANDIDATES]


def _timed(
    probe: StepProbe,
    memory: MemoryPlan,
    batch_size: int,
    room: float,
    progress: Callable[[str], None],
) -> list[Trial]:
    """Time the candidates, the smallest first: each bears out the plan of the next."""
    trials: list[Trial] = []
    underestimate = 1.0  # by what factor a plan fell short
    for size in reversed(candidates(memory, batch_size, room)):
        planned = memory.peak(size, batch_size // size)
        if trials and underestimate * planned > room:
            progress(
                f"{size} left out: smaller ones took {underestimate:.2f} times what was planned"
            )
            break
        progress(f"timing micro-batches of {size}, {planned / 2**20:,.0f} MiB planned")
        try:
            measured = probe.measure(Request(size, batch_size // size, steps=_TIMED))
        except (BudgetError, DeviceError) as error:  # both may be for want of memory
            if not trials:
                raise
            progress(f"{size} left out: {error}")
            break
        seconds = statistics.median(measured.seconds)
        trials.append(Trial(size, planned, measured.mlx_bytes, measured.process_bytes, seconds))
        underestimate = max(underestimate, measured.mlx_bytes / planned)
    return trials


def choose(trials: list[Trial]) -> tuple[Trial, str]:
    """The fastest trial, and why in a sentence; of those that are as fast, the smallest."""
    fastest = min(trials, key=lambda trial: trial.seconds_per_step)
    close = [t for t in trials if t.seconds_per_step <= (1 + _TIE) * fastest.seconds_per_step]
    best = min(close, key=lambda trial: trial.micro_batch)
    reason = f"fastest, {fastest.seconds_per_step:.3f} s a step"
    if best is not fastest:
        seconds = fastest.seconds_per_step
        reason = f"as fast as {fastest.micro_batch} ({seconds:.3f} s a step) and smaller"
    return best, reason


def time_steps(
    config: ExperimentConfig, shape: Shape, dataset: Dataset, micro_batch: int, count: int = 3
) -> float:
    """Median seconds of an update over `count` real ones, after one that compiles.

    Raises:
        BudgetError: it does not fit into memory.
    """
    planned = planned_bytes(config, shape, dataset, micro_batch)
    memory_plan.check(planned, dataset.features.nbytes)
    split = dataset.learned("train")
    model, optimizer = build_model(config, shape, dataset), make_optimizer(config.training)
    binary = dataset.task.binary
    step = Step(model, optimizer, config.training, binary=binary)
    batches = Batches(
        split.rows, split.targets, config.training.batch_size, micro_batch, config.seed
    )
    features = backend.on_device(inputs(dataset, config))
    seconds = []
    for index in range(count + 1):
        batch = batches.at(index)
        began = time.perf_counter()
        step(index, features, batch.rows, batch.targets, batch.weights, batch.keys)
        transfer.evaluate(model.state, optimizer.state)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


def machine() -> str:
    """What a tuning record holds for: chip, its memory in GiB, and threads where they matter."""
    described = backend.describe()
    gib = round(described["memory_bytes"] / 2**30)
    return f"{described['device']}, {described['device_name']}, {gib} GiB, {described['threads']}"


def _records(config: ExperimentConfig, data: Dataset, free: tuple[str, ...]) -> list[TuningRecord]:
    """The records of this key, but for what is free to differ."""
    key = {name: value for name, value in _key(config, data).items() if name not in free}
    return [
        record
        for path in sorted(_folder().glob(f"{key['budget']}-{key['channels']}-*.json"))
        if (record := _read(path)) is not None
        and all(getattr(record, name) == value for name, value in key.items())
    ]


def _key(config: ExperimentConfig, data: Dataset) -> dict[str, Any]:
    training = config.training
    return {
        "budget": config.budget,
        "channels": config.model.channels,
        "features": _asset_features(data),
        "precision": training.precision,
        "gradient_checkpointing": training.gradient_checkpointing,
        "batch_size": training.batch_size,
        "device": machine(),
    }


def _asset_features(data: Dataset) -> int:
    """Features of the assets themselves: a series from outside asks for no tuning of its own."""
    return sum(not name.startswith(COLUMN_PREFIX) for name in data.names)


def _described(config: ExperimentConfig, data: Dataset) -> str:
    key = _key(config, data)
    checkpointing = ", gradient checkpointing" if key["gradient_checkpointing"] else ""
    return (
        f"{key['budget']} {key['channels']}, {key['features']} features, {key['precision']}, "
        f"batch {key['batch_size']}{checkpointing}"
    )


def _path(key: dict[str, Any]) -> Path:
    name = f"{key['budget']}-{key['channels']}-{key['features']}-{canonical_hash(key)[:8]}.json"
    return _folder() / name


def _folder() -> Path:
    return outputs_folder() / "results" / "batch_size"


def _digest(shape: Shape) -> str:
    return canonical_hash(shape.to_dict())[:16]


def _read(path: Path) -> TuningRecord | None:
    """A record, or None where there is none. Raises RunError where it is damaged."""
    if not path.exists():
        return None
    remedy = "delete it, and run `mlxts batch-size CONFIG` again"
    return json_files.load(path, TuningRecord, error=RunError, remedy=remedy)
