"""The training loop, top to bottom. It knows no terminal, no file format and no clock but its own.

Nothing random is held here: order and dropout follow from (seed, step), see `sampler.py`. So a run
that is stopped after any step and continued gives the same bytes as one that was not.
"""

import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
from jaxtyping import Float, Float32, Float64, Integer, Shaped
from scipy.special import expit

from mlxts import protocol, transfer
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.training import StopOn
from mlxts.dataset.samples import Dataset
from mlxts.errors import DeviceError, DivergedError
from mlxts.model.interfaces import Network
from mlxts.model.patchtst import flat_arrays
from mlxts.platform import device
from mlxts.training import checkpoint, divergence
from mlxts.training.checkpoint import LoopState
from mlxts.training.distributed import ALONE, Ranks
from mlxts.training.early_stopping import EarlyStopping, stopping_samples, validation_steps
from mlxts.training.events import (
    CheckpointEvent,
    CompileEvent,
    EpochEvent,
    Listener,
    NoticeEvent,
    StepEvent,
    StopEvent,
    ValidationEvent,
)
from mlxts.training.losses import BaseRateForecast, TargetScale, mean_loss
from mlxts.training.sampler import Batches
from mlxts.training.step import Forward, Step, UnderWay, learning_rate
from mlxts.training.weight_average import WeightAverage

_PAUSE = 0.1  # seconds: a gate that takes longer has waited
_COLLAPSED_VALIDATIONS = 3  # in a row, after which a notice is given


class Gate(Protocol):
    """Asked after every step whether to go on; may wait (temperature) or give a reason to stop.

    The step was begun; where nothing else wants its results, they may still be computed.
    """

    def __call__(self, step: int, /) -> StopEvent | None: ...


class Permit(Protocol):
    """Asked before anything is written that shows others the run; raises what forbids it."""

    def __call__(self) -> None: ...


def always() -> None:
    """The permit of a run that nobody can take away."""


@dataclass(frozen=True)
class Arrays:
    """What the loop reads: one feature array on the device, and two splits."""

    features: Float32[mx.array, "N C"]  # C: F, and what `inputs` appends
    train_rows: Integer[np.ndarray, " n"]
    train_targets: Float[np.ndarray, " n"]  # in the loss's units
    validation_rows: Integer[np.ndarray, " m"]
    validation_targets: Float[np.ndarray, " m"]
    train_dates: Shaped[np.ndarray, " n"] | None = None  # datetime64[D], to name a batch by
    validation_weights: Float64[np.ndarray, " m"] | None = None  # in the loss that stops training

    @classmethod
    def from_dataset(
        cls,
        data: Dataset,
        scale: TargetScale,
        columns: Float32[np.ndarray, "N C"],
        *,
        stop_on: StopOn = "samples",
    ) -> Self:
        """Of a data set's training and validation split.

        Args:
            columns: of each bar, see `inputs`.
            stop_on: `training.stop_on` of the configuration: which validation samples are scored.
        """
        train, validation = data.learned("train"), data.learned("validation")
        if stop_on == "scored":  # whatever it was trained on
            validation = data.samples["validation"]
        decisive, weights = stopping_samples(validation, stop_on, data.score_on)
        return cls(
            features=device.on_device(columns),
            train_rows=train.rows,
            train_targets=scale.scaled(train.targets),
            validation_rows=validation.rows[decisive],
            validation_targets=scale.scaled(validation.targets)[decisive],
            train_dates=train.dates,
            validation_weights=weights,
        )


@dataclass(frozen=True)
class Outcome:
    stop: StopEvent
    state: LoopState


def train(
    config: ExperimentConfig,
    arrays: Arrays,
    model: Network,
    optimizer: optim.MultiOptimizer,
    state: LoopState,
    *,
    binary: bool,
    micro_batch: int,
    folder: Path,
    emit: Listener,
    gate: Gate,
    ranks: Ranks = ALONE,
    evaluation_batch: int | None = None,
    permit: Permit = always,
    average: WeightAverage | None = None,
) -> Outcome:
    """Train from `state` until early stopping, the last epoch, or the gate stops it.

    The loss and the gradient norm of an update are read when the next one has begun, so that the
    device never waits for the host; before a validation, a checkpoint and the end everything
    has arrived.

    Checkpoints go to `folder`: `best` whenever the validation loss improves, `last` at
    validations (at most every `checkpoint.every_seconds`) and when training stops. Of a residual
    network (`model.residual_of`) the validation loss is also computed before the first step, when
    it is the reference's own: training that never improves on it returns the reference.

    With an `average` of the weights it is the average that validation scores and `best` keeps.

    A checkpoint is written only of what is sound: weights and moments are finite, and so is a
    loss that they were scored with, which lies within the bound of a divergence.

    Of several `ranks` each trains on its part of every batch; rank 0 writes the checkpoints.
    Validation scores `evaluation_batch` windows at once, or else a micro-batch.

    Raises:
        DivergedError: a loss (of training or validation) that is not finite or 50 times that of
            the base rate (see `divergence`), gradients or weights that are not finite. The
            StopEvent before it and the message name the batch.
        DeviceError: the device failed. The StopEvent before it and the message name the step,
            and which checkpoint is left; nothing is written after it.
        StorageError: a checkpoint could not be written.
        TakenOverError: the run is another worker's (`permit`); nothing was written.
    """
    settings = config.training_of_task
    evaluation_batch = evaluation_batch or micro_batch
    batches = Batches(
        arrays.train_rows,
        arrays.train_targets,
        settings.batch_size,
        micro_batch,
        config.training_seed,
        share=(ranks.rank, ranks.size),
    )
    steps_per_epoch = batches.steps_per_epoch
    total_steps = steps_per_epoch * settings.max_epochs
    validate_after = validation_steps(steps_per_epoch, settings.validations_per_epoch)
    base_rate = BaseRateForecast.fit(
        arrays.train_targets, binary=binary, huber_delta=settings.huber_delta
    )
    step = Step(model, optimizer, settings, binary=binary, ranks=ranks)
    forward = Forward(model, evaluation_batch)
    saved_step = state.step  # of the newest checkpoint
    seconds, settled_at, compiling = 0.0, 0.0, True  # of the update whose results came last

    def saved() -> str:
        if not saved_step:
            return "there is no checkpoint yet"
        return f"the checkpoint of step {saved_step} is kept"

    def require(problem: str | None, steps_done: int) -> None:
        """End training if there is a problem after so many updates."""
        if problem is None:
            return
        samples = batches.sample_indices(steps_done - 1)
        rows = arrays.train_rows[samples]
        dates = None if arrays.train_dates is None else arrays.train_dates[samples]
        where = divergence.describe_batch(steps_done, steps_per_epoch, rows, dates)
        message = f"{problem} at {where}; lower training.learning_rate, {saved()}"
        emit(StopEvent(steps_done, "diverged", message))
        raise DivergedError(message)

    def validate(windows: slice) -> tuple[Float64[np.ndarray, " m"], float]:
        outputs = forward(arrays.features, arrays.validation_rows[windows])
        targets = arrays.validation_targets[windows]
        weights = arrays.validation_weights
        loss = mean_loss(
            outputs,
            targets,
            binary=binary,
            huber_delta=settings.huber_delta,
            weights=None if weights is None else weights[windows],
        )
        # One loss for all: unlike machines differ in its last bits, and would not stop together.
        loss = ranks.broadcast(loss)
        if state.step:  # before, there is no update that could have diverged
            problem = divergence.loss_problem("validation loss", loss, base_rate, targets)
            require(problem, state.step)
        return outputs, loss

    def validate_and_keep(epoch: int) -> LoopState:
        """The state after a validation; saves the weights where it is the best."""
        with average.in_place(model) if average else nullcontext():
            outputs, loss = validate(slice(None))
            counted = _count_validation(state, epoch, outputs, loss, binary, emit)
            if counted.stopping.improved:
                save_best(counted)
        return counted

    def save_best(state: LoopState) -> None:
        require(divergence.array_problem("weights", flat_arrays(model.parameters())), state.step)
        if ranks.is_rank_zero:
            permit()
            path = checkpoint.save(folder, "best", model, state)
            emit(CheckpointEvent(state.step, str(path), best=True))

    def save_last(*, validated: bool) -> None:
        nonlocal saved_step
        require(divergence.array_problem("weights", flat_arrays(model.parameters())), state.step)
        require(divergence.array_problem("moments", flat_arrays(optimizer.state)), state.step)
        if not validated or average:  # the last update may do what its own loss cannot show
            validate(slice(evaluation_batch))
        if ranks.is_rank_zero:
            permit()
            path = checkpoint.save(folder, "last", model, state, optimizer, average)
            emit(CheckpointEvent(state.step, str(path), best=False))
        saved_step = state.step

    def settle(done: UnderWay, *, last: bool) -> None:
        """Wait for an update, require that it is sound, and count it.

        Args:
            last: none was begun after it, so that weights and moments are waited for too.
        """
        nonlocal state, seconds, settled_at, compiling
        rest = (model.state, optimizer.state, average.weights if average else ())
        transfer.evaluate(done.update, *(rest if last else ()))
        loss, grad_norm = (float(value) for value in transfer.on_host(done.update))
        now = time.perf_counter()
        if not done.paused:  # else as long as the one before: nobody saw when it ended
            seconds = now - max(done.began, settled_at)
        settled_at = now
        # What compiling took is no training time, as a pause is none.
        timed = not (compiling or done.paused)
        compiling = False
        targets = arrays.train_targets[batches.sample_indices(state.step)]
        require(divergence.update_problem(loss, grad_norm, base_rate, targets), state.step + 1)
        samples, rate = done.samples, learning_rate(settings, state.step)
        state = replace(
            state,
            step=state.step + 1,
            epoch_loss=state.epoch_loss + loss * samples,
            epoch_samples=state.epoch_samples + samples,
            train_seconds=state.train_seconds + (seconds if timed else 0.0),
            timed_samples=state.timed_samples + (samples if timed else 0),
        )
        epoch = (state.step - 1) // steps_per_epoch
        memory = device.memory()
        emit(StepEvent(state.step, epoch, loss, rate, grad_norm, samples, seconds, memory))

    try:
        saved_at = epoch_began = time.monotonic()
        if config.model.residual_of and not state.step:
            # The reference itself: what does not improve on it is not preferred to it.
            state = validate_and_keep(0)
            state = replace(state, initial_loss=state.stopping.best)
        emit(CompileEvent(state.step))
        under_way: UnderWay | None = None
        batch = batches.at(state.step) if state.step < total_steps else None
        while batch is not None and not state.stopping.should_stop:
            before, number = under_way, state.step + (under_way is not None)
            began = time.perf_counter()
            update = step(
                number, arrays.features, batch.rows, batch.targets, batch.weights, batch.keys
            )
            if average:
                average.update(model, number + 1)
                transfer.start(average.weights)
            under_way = UnderWay(update, batch.samples, began)
            # What the device need not wait for happens while it works on this update: reading the
            # results of the one before, and drawing the next batch.
            if before is not None:
                settle(before, last=False)
            batch = batches.at(number + 1) if number + 1 < total_steps else None

            epoch, position = divmod(number, steps_per_epoch)
            validated = position + 1 in validate_after
            if validated:
                settle(under_way, last=True)
                under_way = None
                state = validate_and_keep(epoch)
            if position + 1 == steps_per_epoch:
                mean = state.epoch_loss / state.epoch_samples
                emit(EpochEvent(state.step, epoch, mean, time.monotonic() - epoch_began))
                state = replace(state, epoch_loss=0.0, epoch_samples=0)
                epoch_began = time.monotonic()
            asked = time.perf_counter()
            stop = gate(number + 1)
            if under_way is not None and time.perf_counter() - asked > _PAUSE:
                under_way = under_way._replace(paused=True)
            if stop:
                if under_way is not None:
                    settle(under_way, last=True)
                save_last(validated=validated)
                emit(stop)
                return Outcome(stop, state)
            if validated and time.monotonic() - saved_at >= config.checkpoint.every_seconds:
                save_last(validated=True)
                saved_at = time.monotonic()

        stop = state.stopping.end(state.step)
        save_last(validated=True)
        emit(stop)
        return Outcome(stop, state)
    except DeviceError as error:
        message = f"{error} ({state.step} steps are done, {saved()})"
        emit(StopEvent(state.step, "stopped", message))
        raise DeviceError(message) from error


def fresh_state(config: ExperimentConfig, run_id: str) -> LoopState:
    """The loop before its first step."""
    return LoopState(
        run_id=run_id,
        step=0,
        stopping=EarlyStopping(config.training.patience, config.training.min_delta),
        epoch_loss=0.0,
        epoch_samples=0,
        collapsed_validations=0,
        train_seconds=0.0,
    )


def _count_validation(
    state: LoopState,
    epoch: int,
    outputs: Float64[np.ndarray, " m"],
    loss: float,
    binary: bool,
    emit: Listener,
) -> LoopState:
    """The state after a validation: early stopping, and whether all predictions are alike."""
    predictions = expit(outputs) if binary else outputs
    low, high = float(predictions.min()), float(predictions.max())
    stopping = state.stopping.update(loss, state.step)
    emit(ValidationEvent(state.step, epoch, loss, stopping.best, stopping.improved, (low, high)))
    collapsed = binary and high - low < protocol.COLLAPSE_RANGE
    in_a_row = state.collapsed_validations + 1 if collapsed else 0
    collapses = state.collapses + (in_a_row == _COLLAPSED_VALIDATIONS)
    if in_a_row == _COLLAPSED_VALIDATIONS:
        width = protocol.COLLAPSE_RANGE
        message = f"collapsed: all predictions lie within {width} of each other"
        emit(NoticeEvent(state.step, message))
    return replace(state, stopping=stopping, collapsed_validations=in_a_row, collapses=collapses)
