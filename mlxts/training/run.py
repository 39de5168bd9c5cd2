"""A run folder from its plan to its best weights, and back.

    trained = run.train(make_plan(configuration), emit=..., gate=..., resume=False)
    logits = trained.outputs("validation")

`outputs/runs/<run_id>/` holds config.yaml, run.json, metrics.jsonl, events.jsonl and checkpoint/.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlx.optimizers as optim
import numpy as np
from jaxtyping import Float64, Integer
from mlx.utils import tree_unflatten

from mlxts import locks
from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.errors import BusyError, CheckpointError, RunError
from mlxts.files import delete_temporary_files, write_text
from mlxts.model import parameter_budget
from mlxts.model.initialisation import build_model
from mlxts.model.interfaces import Network
from mlxts.model.patchtst import PatchTST, flat_arrays
from mlxts.model.saved_shape import read_shape
from mlxts.platform import device
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.training import checkpoint, loop, memory_plan, residual_reference, run_metadata
from mlxts.training.checkpoint import LoopState
from mlxts.training.distributed import ALONE, Ranks
from mlxts.training.events import Event, Listener, NoticeEvent, StartEvent
from mlxts.training.inputs import inputs
from mlxts.training.log import METRICS, RunLog
from mlxts.training.loop import Arrays, Gate, Outcome, Permit, always, fresh_state
from mlxts.training.losses import TargetScale
from mlxts.training.plan import Plan
from mlxts.training.residual_reference import ResidualReference
from mlxts.training.step import Forward, make_optimizer
from mlxts.training.weight_average import WeightAverage

_SLOW = (
    "bfloat16 products run many times slower than float32 on a CPU; set training.precision: float32"
)


@dataclass(frozen=True)
class Trained:
    """A model with its best weights, and the data it belongs to."""

    plan: Plan
    model: PatchTST
    scale: TargetScale
    outcome: Outcome | None = None
    reference: ResidualReference | None = None  # what the model's output is added to

    def outputs(self, split: str) -> Float64[np.ndarray, " n"]:
        """(n,) float64 of a split, in the order of its samples: logits, or log returns."""
        return self.on(self.plan.dataset)(self.plan.dataset.samples[split].rows)

    def on(self, data: Dataset) -> Callable[[Integer[np.ndarray, " n"]], Float64[np.ndarray, " n"]]:
        """(n,) float64 for windows that end at given rows of a data set's bars."""
        forward = Forward(self.model, self.plan.evaluation_batch)
        features = device.on_device(inputs(data, self.plan.config, self.reference, self.scale))
        return lambda rows: self.scale.unscaled(forward(features, rows))


def train(
    plan: Plan,
    *,
    emit: Listener,
    gate: Gate,
    resume: bool = False,
    sensor: dict[str, Any] | None = None,
    connect: Callable[[Listener], None] = lambda listener: None,
    ranks: Ranks = ALONE,
    permit: Permit = always,
) -> Trained:
    """Train to the end (or until the gate stops it) and restore the best weights.

    Args:
        emit: listener to every event, besides the run's own log.
        gate: asked after every step.
        resume: continue an unfinished run of the same id.
        sensor: which one measures temperature, for run.json.
        connect: called, once the run's log is open, with the listener that writes it, for others
            that emit events.
        ranks: the processes that train this model together; rank 0 alone touches the folder.
        permit: see `loop.train`.

    Raises:
        RunError: the run exists and `resume` is off.
        BusyError: another process is training it.
        CheckpointError: nothing whole to resume from.
        BudgetError: it does not fit into the memory that can be had now.
        DivergedError, DeviceError, StorageError: see `loop.train`.
    """
    configuration, data = plan.config, plan.dataset
    checkpoints = RunFolder(plan.folder).checkpoints
    ranks.assert_same("the run", plan.run_id)
    with ExitStack() as stack:
        if ranks.is_rank_zero:
            _open_folder(plan, resume, stack)
        memory_plan.check(plan.step_bytes, data.features.nbytes)
        device.limit_memory(plan.memory_bytes, plan.largest_bytes)

        # Model, optimizer and the loop's state: fresh, or from the last checkpoint.
        model = build_model(configuration, plan.shape, data)
        optimizer = make_optimizer(configuration.training)
        optimizer.init(model.trainable_parameters())
        decay = configuration.training.ema_decay
        average = None if decay is None else WeightAverage(model, decay)
        state, refused = fresh_state(configuration, plan.run_id), []
        notices: list[str | None] = [_SLOW] if _is_slow(configuration) else []
        if ranks.is_rank_zero and checkpoint.exists(checkpoints, "last"):
            state, refused = checkpoint.restore(
                checkpoints, "last", plan.run_id, model, optimizer, average
            )
            notices.append(run_metadata.add_sensor(plan.folder, state.step, sensor or {}))
        elif ranks.is_rank_zero:
            write_text(plan.folder / layout.CONFIG, configuration.to_yaml())
            run_metadata.write(plan, sensor or {})
        state = _broadcast(state, model, optimizer, average, ranks)

        # What it reads: features, and targets in units of the loss.
        scale = TargetScale.fit(data)
        residual_of = configuration.model.residual_of
        reference = residual_reference.load_or_fit(plan.folder, residual_of, data, ranks)
        notices.append(reference.notice(data) if reference else None)
        columns = inputs(data, configuration, reference, scale)
        stop_on = configuration.training.stop_on
        arrays = Arrays.from_dataset(data, scale, columns, stop_on=stop_on)

        # Listeners: the run's own log, and the caller.
        listeners = [emit]
        if ranks.is_rank_zero:
            log = stack.enter_context(RunLog(plan.folder, state.step))
            listeners.insert(0, log)
            if log.lost_steps:
                notices.append(f"{METRICS} has lost the lines of {log.lost_steps} steps")

        def emit_to_all(event: Event) -> None:
            for listener in listeners:
                listener(event)

        connect(emit_to_all)
        emit_to_all(_start_event(plan, state.step, refused))
        for message in filter(None, notices):
            emit_to_all(NoticeEvent(state.step, message))

        outcome = loop.train(
            configuration,
            arrays,
            model,
            optimizer,
            state,
            binary=plan.binary,
            micro_batch=plan.micro_batch,
            folder=checkpoints,
            emit=emit_to_all,
            gate=gate,
            ranks=ranks,
            evaluation_batch=plan.evaluation_batch,
            permit=permit,
            average=average,
        )
        if ranks.is_rank_zero and outcome.stop.reason in ("finished", "early_stop"):
            outcome = loop.restore_best(checkpoints, outcome, model, emit_to_all)
    return Trained(plan, model, scale, outcome, reference)


def _open_folder(plan: Plan, resume: bool, stack: ExitStack) -> None:
    """Make the run's folder and lock it until `stack` closes. Raises BusyError, RunError."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    holder = stack.enter_context(locks.hold(RunFolder(plan.folder).lock))
    if holder is not None:
        raise BusyError(f"{holder} is training {plan.run_id}; wait for it to end")
    if RunFolder(plan.folder).has_begun and not resume:
        raise RunError(
            f"run {plan.run_id} exists and is not finished; continue it with --resume, "
            f"or delete {plan.folder}"
        )
    delete_temporary_files(plan.folder)


def _is_slow(configuration: ExperimentConfig) -> bool:
    return configuration.training.precision == "bfloat16" and device.device() == "cpu"


def _broadcast(
    state: LoopState,
    model: PatchTST,
    optimizer: optim.MultiOptimizer,
    average: WeightAverage | None,
    ranks: Ranks,
) -> LoopState:
    """Rank 0's place in the run, and its weights where that is not the beginning."""
    state = LoopState.from_dict(ranks.broadcast(asdict(state)))
    if state.step:
        weights = ranks.broadcast_arrays(flat_arrays(model.trainable_parameters()))
        model.update(tree_unflatten(list(weights.items())))
        moments = ranks.broadcast_arrays(flat_arrays(optimizer.state))
        optimizer.state = tree_unflatten(list(moments.items()))
        if average:
            averaged = ranks.broadcast_arrays(flat_arrays(average.weights))
            average.weights = tree_unflatten(list(averaged.items()))
    return state


def _start_event(plan: Plan, step: int, refused: list[str]) -> StartEvent:
    """The heading of a run: which model, data and device they belong to."""
    counts, data = parameter_budget.count(plan.shape), plan.dataset
    train, validation = len(data.learned("train")), len(data.samples["validation"])
    return StartEvent(
        step=step,
        total_steps=plan.total_steps,
        epochs=plan.config.training.max_epochs,
        resumed=step > 0,
        header={
            "run": plan.run_id,
            "mode": f"{plan.config.mode}, {data.splits_title} splits",
            "model": f"PatchTST {plan.shape.channels}, {counts.total:,} parameters "
            f"({counts.body:,} encoder)",
            "data": f"{plan.config.data.title}, {len(data.names)} features, "
            f"{train:,} + {validation:,} samples, {data.data_hash[:8]}",
            "device": f"{device.device()} ({device.device_name()}), seed {plan.config.seed}",
            **({"refused": "; ".join(refused)} if refused else {}),
        },
    )


def load(folder: Path) -> Trained:
    """The best weights of a run, on the data and with the code of now.

    Raises:
        RunError: the folder holds no run.
        IntegrityError, DataError: its data is gone or was changed.
        CheckpointError: its best checkpoint is gone, or damaged after it was scored.
    """
    metadata = RunFolder(folder).metadata(("shape", "data_hash", "micro_batch", "artifacts"))
    shape = read_shape(RunFolder(folder))
    configuration = pinned_configuration(folder)
    data = build_dataset(configuration)
    if data.data_hash != metadata["data_hash"]:
        raise CheckpointError(
            f"run {metadata['run_id']} was trained on other features than this version makes; "
            f"train {folder / layout.CONFIG} again"
        )
    plan = Plan(configuration, data, shape, metadata["micro_batch"], metadata["run_id"])
    model = build_model(configuration, shape, data)
    load_best(folder, plan.run_id, model)
    reference = residual_reference.load(folder, configuration.model.residual_of)
    return Trained(plan, model, TargetScale.fit(data), reference=reference)


def load_best(folder: Path, run_id: str, model: Network) -> None:
    """Put the weights that the run's summary scored into a model, or the best without a summary.

    The model is in evaluation mode afterwards. Scores belong to weights: where those are damaged,
    the ones before them do not take their place.

    Raises:
        CheckpointError: they are gone or damaged.
        RunError: the summary is damaged.
    """
    model.eval()
    state, refused = checkpoint.restore(RunFolder(folder).checkpoints, "best", run_id, model)
    scored_step = None
    if refused and RunFolder(folder).is_finished:
        scored_step = RunFolder(folder).summary(("best_step",))["best_step"]
    if refused and state.step != scored_step:
        raise CheckpointError(
            f"{'; '.join(refused)}, and the one before has other weights than were scored; "
            f"train {folder / layout.CONFIG} again"
        )


def pinned_configuration(folder: Path) -> ExperimentConfig:
    """A run's configuration, bound to the very artifacts that it was trained on.

    Raises:
        RunError: the folder holds no run.
        ConfigError: its configuration is not one of this version.
    """
    metadata = RunFolder(folder).metadata(("artifacts",))
    configuration = RunFolder(folder).config()
    raw = {a["symbol"]: a["sha256"] for a in metadata["artifacts"] if "tier" not in a}
    data = configuration.data.model_copy(update={"artifact_sha256": raw})
    return configuration.model_copy(update={"data": data})
