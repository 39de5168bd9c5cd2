"""A run folder from its plan to its best weights.

    plan = run.plan(config)               # everything derived, nothing written
    trained = run.train(plan, emit=..., gate=..., resume=False)
    logits = trained.outputs("validation")

`outputs/runs/<run_id>/` holds config.yaml, run.json, metrics.jsonl, events.jsonl and checkpoint/.
"""

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_unflatten

from mlxts import code_version, json_files, locks, run_files
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import load_config
from mlxts.data import bars
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.errors import BusyError, CheckpointError, ConfigError, RunError
from mlxts.features import timescales
from mlxts.files import canonical_hash, runs_folder, sweep, write_text
from mlxts.model import flops, parameter_budget
from mlxts.model.patchtst import PatchTST, Shape, flat_arrays
from mlxts.platform import device
from mlxts.run_files import metadata as record
from mlxts.training import batch_size, best, checkpoint, memory_plan, offset, run_metadata, start
from mlxts.training.checkpoint import LoopState
from mlxts.training.distributed import ALONE, Ranks
from mlxts.training.events import Event, Listener, NoticeEvent
from mlxts.training.header import start_event
from mlxts.training.log import METRICS, RunLog
from mlxts.training.loop import Gate, Outcome, Permit, always, fresh_state
from mlxts.training.loop import train as train_loop
from mlxts.training.offset import Offset
from mlxts.training.step import Forward, TargetScale, make_optimizer

LOCK = ".lock"  # in a run's folder, held by whoever trains it
_SLOW = (
    "bfloat16 products run many times slower than float32 on a CPU; set training.precision: float32"
)


@dataclass(frozen=True)
class Plan:
    """Everything that is derived before training starts."""

    config: ExperimentConfig
    dataset: Dataset
    shape: Shape
    micro_batch: int
    run_id: str
    ranks: int = 1

    @property
    def folder(self) -> Path:
        return runs_folder() / self.run_id

    @property
    def binary(self) -> bool:
        return self.dataset.task.kind != "regression"

    @property
    def total_steps(self) -> int:
        training = self.config.training
        return math.ceil(len(self.dataset.samples["train"]) / training.batch_size) * (
            training.max_epochs
        )

    @property
    def evaluation_batch(self) -> int:
        return flops.evaluation_batch(self.shape, self.micro_batch)

    def memory_bytes(self) -> int:
        """Planned peak of MLX's memory: calibrated where this was tuned, else counted."""
        return self.dataset.features.nbytes + batch_size.planned_bytes(
            self.config, self.shape, self.dataset, self.micro_batch
        )

    def record(self) -> dict[str, Any]:
        """The figures that are shown before training and kept in run.json."""
        return {
            "run_id": self.run_id,
            **parameter_budget.table(self.shape),
            "samples": {name: len(samples) for name, samples in self.dataset.samples.items()},
            "canonical_samples": {
                name: int((samples.phases == bars.CANONICAL).sum())
                for name, samples in self.dataset.samples.items()
            },
            "features": len(self.dataset.names),
            "joined_features": timescales.joined(self.dataset.names),
            "micro_batch": self.micro_batch,
            "ranks": self.ranks,
            "flops_per_step": flops.training_flops(self.shape, self.config.training.batch_size),
            "memory_bytes": self.memory_bytes(),
            "total_steps": self.total_steps,
        }


@dataclass(frozen=True)
class Trained:
    """A model with its best weights, and the data it belongs to."""

    plan: Plan
    model: PatchTST
    scale: TargetScale
    outcome: Outcome | None = None
    offset: Offset | None = None  # what the model's output is added to

    def outputs(self, split: str) -> np.ndarray:
        """(n,) float64 of a split, in the order of its samples: logits, or log returns."""
        return self.on(self.plan.dataset, self.plan.dataset.samples[split].rows)

    def on(self, data: Dataset, rows: np.ndarray) -> np.ndarray:
        """(n,) float64 for windows that end at `rows` of a data set's bars."""
        forward = Forward(self.model, self.plan.evaluation_batch)
        inputs = device.on_device(offset.inputs(data, self.offset, *self.scale))
        return forward(inputs, rows) * self.scale.scale + self.scale.center


def plan(
    configuration: ExperimentConfig,
    *,
    register: bool = True,
    data: Dataset | None = None,
    ranks: int = 1,
    tuned: bool = True,
) -> Plan:
    """Load the data and solve the shape.

    A run that has begun keeps its micro-batch: sums over another one differ in the last bits.

    Args:
        register: keep features that had to be computed; without it nothing is written.
        data: what `build_dataset` made of this configuration, where it is there already.
        ranks: how many processes will train it; their sums differ in the last bits, so each
            number is a run of its own.
        tuned: strict mode wants the batch size tuned; False: plan all the same.

    Raises:
        ConfigError: a batch larger than the training split.
        DataError, BudgetError: see `build_dataset`, `parameter_budget.solve` and
            `batch_size.micro_batch`.
        RunError: strict mode without a batch-size record for this budget and machine.
    """
    data = data or build_dataset(configuration, register=register)
    samples = len(data.samples["train"])
    if configuration.training.batch_size > samples:
        raise ConfigError(
            f"training.batch_size: {configuration.training.batch_size} is more than the {samples} "
            "training samples; choose a smaller one"
        )
    shape = start.solve_shape(configuration, data)
    micro_batch = batch_size.micro_batch(configuration, shape, data, tuned=tuned)
    code = code_version.of(code_version.RUN)
    run_id = identify(configuration, data, micro_batch, code=code, ranks=ranks)
    began_with = run_metadata.micro_batch(runs_folder() / run_id)
    return Plan(configuration, data, shape, began_with or micro_batch, run_id, ranks)


def identify(
    configuration: ExperimentConfig, data: Dataset, micro_batch: int, *, code: str, ranks: int = 1
) -> str:
    """The id of a run: its main settings, and a hash of all that decides its numbers.

    Args:
        code: the version of the code that decides the numbers of a run.
    """
    identity = {
        "config": configuration.hash,
        "data": data.data_hash,
        "code": code,
        # A machine's tuning is no part of what a run is, unless statistics are taken over it.
        **({"micro_batch": micro_batch} if configuration.model.norm == "batch" else {}),
        **({"ranks": ranks} if ranks > 1 else {}),
    }
    return "-".join(
        (
            configuration.budget,
            configuration.timescale,
            configuration.task,
            f"h{data.horizon}",
            f"s{configuration.seed}",
            canonical_hash(identity)[:10],
        )
    )


def train(
    plan: Plan,
    *,
    emit: Listener,
    gate: Gate,
    resume: bool = False,
    sensor: dict[str, Any] | None = None,
    connect: Callable[[Listener], None] = lambda tell: None,
    ranks: Ranks = ALONE,
    permit: Permit = always,
) -> Trained:
    """Train to the end (or until the gate stops it) and restore the best weights.

    Args:
        emit: told of every event, besides the run's own log.
        gate: asked after every step.
        resume: continue an unfinished run of the same id.
        sensor: which one watches the heat, for run.json.
        connect: is given, once the run's record is open, the listener that writes it, for whoever
            else has events to tell.
        ranks: the processes that train this model together; rank 0 alone touches the folder.
        permit: see `loop.train`.

    Raises:
        RunError: the run exists and `resume` is off.
        BusyError: another process is training it.
        CheckpointError: nothing whole to resume from.
        BudgetError: it does not fit into the memory that can be had now.
        DivergedError, DeviceError, StorageError: see `loop.train`.
    """
    ranks.same("the run", plan.run_id)
    if not ranks.leads:
        return _train(plan, emit, gate, {}, connect, ranks, permit)
    plan.folder.mkdir(parents=True, exist_ok=True)
    with locks.hold(plan.folder / LOCK) as holder:
        if holder is not None:
            raise BusyError(f"{holder} is training {plan.run_id}; wait for it to end")
        if (plan.folder / run_files.METADATA).exists() and not resume:
            raise RunError(
                f"run {plan.run_id} exists and is not finished; continue it with --resume, "
                f"or delete {plan.folder}"
            )
        sweep(plan.folder)
        return _train(plan, emit, gate, sensor or {}, connect, ranks, permit)


def _train(
    plan: Plan,
    emit: Listener,
    gate: Gate,
    sensor: dict[str, Any],
    connect: Callable[[Listener], None],
    ranks: Ranks,
    permit: Permit,
) -> Trained:
    configuration, data = plan.config, plan.dataset
    memory_plan.check(plan.memory_bytes() - data.features.nbytes, data.features.nbytes)
    device.limit_memory(plan.memory_bytes())
    scale = start.target_scale(data)
    model = start.model(configuration, plan.shape, data)
    optimizer = make_optimizer(configuration.training)
    checkpoints = plan.folder / "checkpoint"
    optimizer.init(model.trainable_parameters())
    state, refused = fresh_state(configuration, plan.run_id), []
    notices = [_SLOW] if _is_slow(configuration) else []
    if ranks.leads and checkpoint.exists(checkpoints, "last"):
        state, refused = checkpoint.restore(checkpoints, "last", plan.run_id, model, optimizer)
        notices.append(run_metadata.go_on(plan.folder, state.step, sensor))
    elif ranks.leads:
        write_text(plan.folder / "config.yaml", configuration.to_yaml())
        run_metadata.begin(plan, sensor)
    state = _shared(state, model, optimizer, ranks)
    beneath = offset.fitted(plan.folder, configuration.model.offset, data, ranks)
    with ExitStack() as stack:
        listeners = [emit]
        if ranks.leads:
            record = stack.enter_context(RunLog(plan.folder, state.step))
            listeners.insert(0, record)
            if record.lost_steps:
                notices.append(f"{METRICS} has lost the lines of {record.lost_steps} steps")

        def tell(event: Event) -> None:
            for listener in listeners:
                listener(event)

        connect(tell)
        tell(start_event(plan, state.step, refused))
        for message in filter(None, notices):
            tell(NoticeEvent(state.step, message))
        outcome = train_loop(
            configuration,
            start.arrays(data, beneath, scale),
            model,
            optimizer,
            state,
            binary=plan.binary,
            micro_batch=plan.micro_batch,
            folder=checkpoints,
            emit=tell,
            gate=gate,
            ranks=ranks,
            evaluation_batch=plan.evaluation_batch,
            permit=permit,
        )
        if ranks.leads and outcome.stop.reason in ("finished", "early_stop"):
            outcome = best.finish(plan.folder, outcome, model, tell)
    return Trained(plan, model, scale, outcome, beneath)


def _is_slow(configuration: ExperimentConfig) -> bool:
    return configuration.training.precision == "bfloat16" and device.device() == "cpu"


def _shared(
    state: LoopState, model: PatchTST, optimizer: optim.MultiOptimizer, ranks: Ranks
) -> LoopState:
    """Rank 0's place in the run, and its weights where that is not the beginning."""
    state = LoopState.of(ranks.record_from_leader(asdict(state)))
    if state.step:
        weights = ranks.from_leader(flat_arrays(model.trainable_parameters()))
        model.update(tree_unflatten(list(weights.items())))
        moments = ranks.from_leader(flat_arrays(optimizer.state))
        optimizer.state = tree_unflatten(list(moments.items()))
    return state


def load(folder: Path) -> Trained:
    """The best weights of a run, on the data and with the code of now.

    Raises:
        RunError: the folder holds no run.
        IntegrityError, DataError: its data is gone or was changed.
        CheckpointError: its best checkpoint is gone, or damaged after it was scored.
    """
    said = record(folder, ("shape", "data_hash", "micro_batch", "artifacts"))
    shape = shape_of(folder)
    configuration = pinned_configuration(folder)
    data = build_dataset(configuration)
    if data.data_hash != said["data_hash"]:
        raise CheckpointError(
            f"run {said['run_id']} was trained on other features than this version makes; "
            f"train {folder / 'config.yaml'} again"
        )
    plan = Plan(configuration, data, shape, said["micro_batch"], said["run_id"])
    model = start.model(configuration, shape, data)
    best.load(folder, plan.run_id, model)
    beneath = offset.known(folder, configuration.model.offset)
    return Trained(plan, model, start.target_scale(data), offset=beneath)


def shape_of(folder: Path) -> Shape:
    """What the model of a run is. Raises RunError where its run.json is damaged."""
    value = record(folder, ("shape",))["shape"]
    where = f"{folder / run_files.METADATA}: shape"
    way_out = "restore it from a backup, or train the run again"
    return json_files.build(value, Shape, where=where, error=RunError, way_out=way_out)


def time_steps(plan: Plan, count: int = 3) -> float:
    """Median seconds of one update, over `count` real ones after the first (which compiles)."""
    return batch_size.time_steps(plan.config, plan.shape, plan.dataset, plan.micro_batch, count)


def pinned_configuration(folder: Path) -> ExperimentConfig:
    """A run's configuration, bound to the very artifacts that it was trained on.

    Raises:
        RunError: the folder holds no run.
        ConfigError: its configuration is not one of this version.
    """
    said = record(folder, ("artifacts",))
    configuration = load_config(folder / "config.yaml")
    raw = {a["symbol"]: a["sha256"] for a in said["artifacts"] if "tier" not in a}
    data = configuration.data.model_copy(update={"pinned": raw})
    return configuration.model_copy(update={"data": data})
