"""The training loop, top to bottom. It knows no terminal, no file format and no clock but its own.

Nothing random is held here: order and dropout follow from (seed, step), see `batches.py`. So a run
that is stopped after any step and continued gives the same bytes as one that was not.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
from scipy.special import expit

from mlxts import backend, protocol
from mlxts.config import ExperimentConfig
from mlxts.errors import DivergedError
from mlxts.model.network import Network
from mlxts.training import checkpoint
from mlxts.training.batches import Batches
from mlxts.training.checkpoint import LoopState
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
from mlxts.training.ranks import ALONE, Ranks
from mlxts.training.step import Forward, Step, learning_rate

_DIVERGED = 50.0  # times the first loss
_COLLAPSED_LOOKS = 3


class Gate(Protocol):
    """Asked after every step whether to go on; may wait (heat) and may say why to stop."""

    def __call__(self, step: int, /) -> StopEvent | None: ...


@dataclass(frozen=True)
class Arrays:
    """What the loop reads: one feature array on the device, and two splits."""

    features: mx.array  # (N, F)
    train_rows: np.ndarray  # (n,) int32
    train_targets: np.ndarray  # (n,) float32, in the loss's units
    validation_rows: np.ndarray
    validation_targets: np.ndarray


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
) -> Outcome:
    """Train from `start` until early stopping, the last epoch, or the gate says stop.

    Checkpoints go to `folder`: `best` whenever the validation loss improves, `last` at
    validations (at most every `checkpoint.every_seconds`) and when training stops.

    Of several `ranks` each trains on its part of every batch; rank 0 writes the checkpoints.
    Validation scores `evaluation_batch` windows at once, or else a micro-batch.

    Raises:
        DivergedError: a loss that is not finite, or 50 times the first one.
        StorageError: a checkpoint could not be written.
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
    forward = Forward(model, evaluation_batch or micro_batch)
    per_epoch = batches.steps_per_epoch
    looks = validation_steps(per_epoch, settings.validations_per_epoch)
    total = per_epoch * settings.max_epochs
    state, saved_at, epoch_began = start, time.monotonic(), time.monotonic()

    def save_last() -> None:
        if not ranks.leads:
            return
        path = checkpoint.save(folder, "last", model, state, optimizer)
        emit(CheckpointEvent(state.step, str(path), best=False))

    emit(CompileEvent(state.step))
    batch = batches.at(state.step) if state.step < total else None
    while batch is not None and not state.stopping.should_stop:
        began = time.perf_counter()
        update = step(
            state.step, arrays.features, batch.rows, batch.targets, batch.weights, batch.keys
        )
        # The next batch is drawn while the device works on this one.
        samples, used = batch.samples, learning_rate(settings, state.step)
        batch = batches.at(state.step + 1) if state.step + 1 < total else None
        loss, norm = float(np.asarray(update.loss)), float(np.asarray(update.grad_norm))
        mx.eval(model.state, optimizer.state)
        seconds = time.perf_counter() - began
        first = loss if state.first_loss is None else state.first_loss
        if not math.isfinite(loss) or loss > _DIVERGED * first:
            raise DivergedError(
                f"the loss became {loss:.3g} at step {state.step + 1} (batch of epoch "
                f"{state.step // per_epoch}); lower training.learning_rate, "
                "the last good checkpoint is kept"
            )
        state = replace(
            state,
            step=state.step + 1,
            epoch_loss=state.epoch_loss + loss * samples,
            epoch_samples=state.epoch_samples + samples,
            first_loss=first,
            train_seconds=state.train_seconds + seconds,
        )
        epoch, position = divmod(state.step - 1, per_epoch)
        emit(StepEvent(state.step, epoch, loss, used, norm, samples, seconds, backend.memory()))
        if position + 1 in looks:
            state = _look(state, epoch, arrays, forward, binary, emit, settings.huber_delta)
            if state.stopping.improved and ranks.leads:
                path = checkpoint.save(folder, "best", model, state)
                emit(CheckpointEvent(state.step, str(path), best=True))
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
            save_last()
            emit(stop)
            return Outcome(stop, state)
        if position + 1 in looks and (
            time.monotonic() - saved_at >= config.checkpoint.every_seconds
        ):
            save_last()
            saved_at = time.monotonic()

    stop = _natural_end(state)
    save_last()
    emit(stop)
    return Outcome(stop, state)


def fresh_state(config: ExperimentConfig, run_id: str) -> LoopState:
    """The loop before its first step."""
    return LoopState(
        run_id=run_id,
        step=0,
        stopping=EarlyStopping(config.training.patience, config.training.min_delta),
        epoch_loss=0.0,
        epoch_samples=0,
        collapsed_looks=0,
        first_loss=None,
        train_seconds=0.0,
    )


def validation_steps(per_epoch: int, looks: int) -> frozenset[int]:
    """Positions within an epoch (counted from 1) after which validation is scored; the last is one.

    >>> sorted(validation_steps(10, 4))
    [3, 5, 8, 10]
    """
    return frozenset(math.ceil(per_epoch * k / looks) for k in range(1, looks + 1))


def _look(
    state: LoopState,
    epoch: int,
    arrays: Arrays,
    forward: Callable[[mx.array, np.ndarray], np.ndarray],
    binary: bool,
    emit: Listener,
    huber_delta: float,
) -> LoopState:
    """Score the whole validation split, every sample with the same weight."""
    outputs = forward(arrays.features, arrays.validation_rows)
    loss = mean_loss(outputs, arrays.validation_targets, binary=binary, huber_delta=huber_delta)
    shown = expit(outputs) if binary else outputs
    spread = (float(shown.min()), float(shown.max()))
    stopping = state.stopping.look(loss, state.step)
    emit(ValidationEvent(state.step, epoch, loss, stopping.best, stopping.improved, spread))
    collapsed = binary and spread[1] - spread[0] < protocol.COLLAPSE_RANGE
    looks = state.collapsed_looks + 1 if collapsed else 0
    if looks == _COLLAPSED_LOOKS:
        emit(
            NoticeEvent(
                state.step,
                f"collapsed: all predictions lie within {protocol.COLLAPSE_RANGE} of each other",
            )
        )
    return replace(state, stopping=stopping, collapsed_looks=looks)


def mean_loss(
    outputs: np.ndarray, targets: np.ndarray, *, binary: bool, huber_delta: float
) -> float:
    """Mean loss in double precision: log loss from logits, or Huber."""
    targets = targets.astype(np.float64)
    if binary:
        return float(np.mean(np.logaddexp(0.0, outputs) - targets * outputs))
    error = np.abs(outputs - targets)
    quadratic = np.minimum(error, huber_delta)
    return float(np.mean(0.5 * quadratic**2 + huber_delta * (error - quadratic)))


def _natural_end(state: LoopState) -> StopEvent:
    best = f"best validation loss {state.stopping.best:.4f} at step {state.stopping.best_step}"
    if state.stopping.should_stop:
        return StopEvent(
            state.step, "early_stop", f"no better for {state.stopping.waited} looks; {best}"
        )
    return StopEvent(state.step, "finished", f"the last epoch is done; {best}")
