"""The training loop, top to bottom. It knows no terminal, no file format and no clock but its own.

Nothing random is held here: order and dropout follow from (seed, step), see `sampler.py`. So a run
that is stopped after any step and continued gives the same bytes as one that was not.
"""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
from scipy.special import expit

from mlxts import protocol, transfer
from mlxts.config.experiment import ExperimentConfig
from mlxts.errors import DeviceError, DivergedError
from mlxts.model.interfaces import Network
from mlxts.model.patchtst import flat_arrays
from mlxts.platform import device
from mlxts.training import checkpoint, divergence
from mlxts.training.checkpoint import LoopState
from mlxts.training.distributed import ALONE, Ranks
from mlxts.training.early_stopping import EarlyStopping
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
from mlxts.training.losses import Constant, mean_loss
from mlxts.training.sampler import Batches
from mlxts.training.step import Forward, Step, learning_rate

_COLLAPSED_LOOKS = 3


class Gate(Protocol):
    """Asked after every step whether to go on; may wait (heat) and may say why to stop."""

    def __call__(self, step: int, /) -> StopEvent | None: ...


class Permit(Protocol):
    """Asked before anything is written that tells others of the run; raises what forbids it."""

    def __call__(self) -> None: ...


def always() -> None:
    """The permit of a run that nobody can take away."""


@dataclass(frozen=True)
class Arrays:
    """What the loop reads: one feature array on the device, and two splits."""

    features: mx.array  # (N, F)
    train_rows: np.ndarray  # (n,) int32
    train_targets: np.ndarray  # (n,) float32, in the loss's units
    validation_rows: np.ndarray
    validation_targets: np.ndarray
    train_dates: np.ndarray | None = None  # (n,) datetime64[D], to name a batch by


@dataclass(frozen=True)
class Outcome:
    stop: StopEvent
    state: LoopState


def train(
    config: ExperimentConfig,
    arrays: Arrays,
    model: Network,
    optimizer: optim.MultiOptimizer,
    start: LoopState,
    *,
    binary: bool,
    micro_batch: int,
    folder: Path,
    emit: Listener,
    gate: Gate,
    ranks: Ranks = ALONE,
    evaluation_batch: int | None = None,
    permit: Permit = always,
) -> Outcome:
    """Train from `start` until early stopping, the last epoch, or the gate says stop.

    Checkpoints go to `folder`: `best` whenever the validation loss improves, `last` at
    validations (at most every `checkpoint.every_seconds`) and when training stops.

    A checkpoint is written only of what is sound: weights and moments are finite, and so is a
    loss that they were scored with, which lies within the bound of a divergence.

    Of several `ranks` each trains on its part of every batch; rank 0 writes the checkpoints.
    Validation scores `evaluation_batch` windows at once, or else a micro-batch.

    Raises:
        DivergedError: a loss (of training or validation) that is not finite or 50 times that of
            the base rate (see `divergence`), gradients or weights that are not finite. The
            StopEvent before it and the message say which batch it was.
        DeviceError: the device failed. The StopEvent before it and the message say at which step,
            and which checkpoint is left; nothing is written after it.
        StorageError: a checkpoint could not be written.
        TakenOverError: `permit` says that the run is another worker's; nothing was written.
    """
    settings = config.training
    batches = Batches(
        arrays.train_rows,
        arrays.train_targets,
        settings.batch_size,
        micro_batch,
        config.seed,
        share=(ranks.rank, ranks.size),
    )
    step = Step(model, optimizer, settings, binary=binary, ranks=ranks)
    scored = evaluation_batch or micro_batch
    forward = Forward(model, scored)
    per_epoch = batches.steps_per_epoch
    looks = validation_steps(per_epoch, settings.validations_per_epoch)
    total = per_epoch * settings.max_epochs
    state, saved_at, epoch_began = start, time.monotonic(), time.monotonic()

    base = Constant.of(arrays.train_targets, binary=binary, huber_delta=settings.huber_delta)
    kept = start.step

    def left() -> str:
        return f"the checkpoint of step {kept} is kept" if kept else "there is no checkpoint yet"

    def refuse(why: str | None, done: int) -> None:
        """End here if something is wrong after so many updates."""
        if why is None:
            return
        seen = batches.chosen(done - 1)
        dates = None if arrays.train_dates is None else arrays.train_dates[seen]
        which = divergence.batch(done, per_epoch, arrays.train_rows[seen], dates)
        message = f"{why} at {which}; lower training.learning_rate, {left()}"
        emit(StopEvent(done, "diverged", message))
        raise DivergedError(message)

    def validate(windows: slice) -> tuple[np.ndarray, float]:
        outputs = forward(arrays.features, arrays.validation_rows[windows])
        targets = arrays.validation_targets[windows]
        loss = mean_loss(outputs, targets, binary=binary, huber_delta=settings.huber_delta)
        # One loss for all: unlike machines differ in its last bits, and would not stop together.
        loss = ranks.number_from_leader(loss)
        refuse(divergence.of_loss("validation loss", loss, base, targets), state.step)
        return outputs, loss

    def save_best() -> None:
        refuse(divergence.of_arrays("weights", flat_arrays(model.parameters())), state.step)
        if ranks.leads:
            permit()
            path = checkpoint.save(folder, "best", model, state)
            emit(CheckpointEvent(state.step, str(path), best=True))

    def save_last(*, looked: bool) -> None:
        nonlocal kept
        refuse(divergence.of_arrays("weights", flat_arrays(model.parameters())), state.step)
        refuse(divergence.of_arrays("moments", flat_arrays(optimizer.state)), state.step)
        if not looked:
            validate(slice(scored))  # the last update may have done what its own loss cannot show
        if ranks.leads:
            permit()
            path = checkpoint.save(folder, "last", model, state, optimizer)
            emit(CheckpointEvent(state.step, str(path), best=False))
        kept = state.step

    def run_on() -> Outcome:
        nonlocal state, saved_at, epoch_began
        emit(CompileEvent(state.step))
        compiling = True
        batch = batches.at(state.step) if state.step < total else None
        while batch is not None and not state.stopping.should_stop:
            began = time.perf_counter()
            update = step(
                state.step, arrays.features, batch.rows, batch.targets, batch.weights, batch.keys
            )
            # The next batch is drawn while the device works on this one.
            samples, used = batch.samples, learning_rate(settings, state.step)
            targets = arrays.train_targets[batches.chosen(state.step)]
            batch = batches.at(state.step + 1) if state.step + 1 < total else None
            transfer.evaluate(update, model.state, optimizer.state)
            loss, norm = (float(value) for value in transfer.on_host(update))
            seconds = time.perf_counter() - began
            refuse(divergence.of_update(loss, norm, base, targets), state.step + 1)
            # What compiling took is no training time, as a pause is none.
            timed = 0 if compiling else samples
            state = replace(
                state,
                step=state.step + 1,
                epoch_loss=state.epoch_loss + loss * samples,
                epoch_samples=state.epoch_samples + samples,
                train_seconds=state.train_seconds + (seconds if timed else 0.0),
                timed_samples=state.timed_samples + timed,
            )
            compiling = False
            epoch, position = divmod(state.step - 1, per_epoch)
            emit(StepEvent(state.step, epoch, loss, used, norm, samples, seconds, device.memory()))
            if position + 1 in looks:
                outputs, loss = validate(slice(None))
                state = _look(state, epoch, outputs, loss, binary, emit)
                if state.stopping.improved:
                    save_best()
            if position + 1 == per_epoch:
                emit(
                    EpochEvent(
                        state.step,
                        epoch,
                        state.epoch_loss / state.epoch_samples,
                        time.monotonic() - epoch_began,
                    )
                )
                state = replace(state, epoch_loss=0.0, epoch_samples=0)
                epoch_began = time.monotonic()
            if stop := gate(state.step):
                save_last(looked=position + 1 in looks)
                emit(stop)
                return Outcome(stop, state)
            if position + 1 in looks and (
                time.monotonic() - saved_at >= config.checkpoint.every_seconds
            ):
                save_last(looked=True)
                saved_at = time.monotonic()

        stop = _natural_end(state)
        save_last(looked=True)
        emit(stop)
        return Outcome(stop, state)

    try:
        return run_on()
    except DeviceError as error:
        message = f"{error} ({state.step} steps are done, {left()})"
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
        collapsed_looks=0,
        train_seconds=0.0,
    )


def validation_steps(per_epoch: int, looks: int) -> frozenset[int]:
    """Positions within an epoch (counted from 1) after which validation is scored; the last is one.

    >>> sorted(validation_steps(10, 4))
    [3, 5, 8, 10]
    """
    return frozenset(math.ceil(per_epoch * k / looks) for k in range(1, looks + 1))


def _look(
    state: LoopState, epoch: int, outputs: np.ndarray, loss: float, binary: bool, emit: Listener
) -> LoopState:
    """Take in what the whole validation split scored, every sample with the same weight."""
    shown = expit(outputs) if binary else outputs
    spread = (float(shown.min()), float(shown.max()))
    stopping = state.stopping.look(loss, state.step)
    emit(ValidationEvent(state.step, epoch, loss, stopping.best, stopping.improved, spread))
    collapsed = binary and spread[1] - spread[0] < protocol.COLLAPSE_RANGE
    looks = state.collapsed_looks + 1 if collapsed else 0
    collapses = state.collapses + (looks == _COLLAPSED_LOOKS)
    if looks == _COLLAPSED_LOOKS:
        emit(
            NoticeEvent(
                state.step,
                f"collapsed: all predictions lie within {protocol.COLLAPSE_RANGE} of each other",
            )
        )
    return replace(state, stopping=stopping, collapsed_looks=looks, collapses=collapses)


def _natural_end(state: LoopState) -> StopEvent:
    best = f"best validation loss {state.stopping.best:.4f} at step {state.stopping.best_step}"
    if state.stopping.should_stop:
        return StopEvent(
            state.step, "early_stop", f"no better for {state.stopping.waited} looks; {best}"
        )
    return StopEvent(state.step, "finished", f"the last epoch is done; {best}")
