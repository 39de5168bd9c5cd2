"""The loop on a small data set: it learns, it repeats to the byte, it resumes to the byte."""

import math
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from mlxts.config import ExperimentConfig
from mlxts.errors import DivergedError
from mlxts.model import budget
from mlxts.model.patchtst import PatchTST, flat_arrays
from mlxts.training import checkpoint
from mlxts.training.events import (
    CheckpointEvent,
    EpochEvent,
    Event,
    NoticeEvent,
    StepEvent,
    StopEvent,
    ValidationEvent,
)
from mlxts.training.loop import Arrays, Outcome, fresh_state, mean_loss, train, validation_steps
from mlxts.training.step import make_optimizer
from tests.training import worlds

STEPS_PER_EPOCH = math.ceil((250 - worlds.CONTEXT) / 32)


def _train(
    folder: Path,
    config: ExperimentConfig | None = None,
    *,
    stop_at: int | None = None,
    resume: bool = False,
    arrays: Arrays | None = None,
) -> tuple[Outcome, dict[str, np.ndarray], list[Event]]:
    config = config or worlds.configuration()
    data = worlds.dataset()
    shape = budget.solve(config.budget, worlds.FEATURES, config.model)
    model, optimizer = PatchTST(shape, seed=config.seed), make_optimizer(config.training)
    state = fresh_state(config, "run")
    if resume:
        optimizer.init(model.trainable_parameters())
        state, _ = checkpoint.restore(folder, "last", "run", model, optimizer)
    arrays = arrays or Arrays(
        mx.array(data.features),
        data.samples["train"].rows,
        data.samples["train"].targets,
        data.samples["validation"].rows,
        data.samples["validation"].targets,
    )
    events: list[Event] = []

    def gate(step: int) -> StopEvent | None:
        return StopEvent(step, "interrupted", "asked") if step == stop_at else None

    outcome = train(
        config,
        arrays,
        model,
        optimizer,
        state,
        binary=True,
        micro_batch=config.training.micro_batch or config.training.batch_size,
        folder=folder,
        emit=events.append,
        gate=gate,
    )
    weights = {k: np.array(v) for k, v in flat_arrays(model.parameters()).items()}
    return outcome, weights, events


def _same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def _losses(events: list[Event]) -> list[tuple[int, float]]:
    return [(e.step, e.loss) for e in events if isinstance(e, StepEvent | ValidationEvent)]


def test_it_learns_what_there_is_to_learn(tmp_path: Path) -> None:
    config = worlds.configuration(training__max_epochs=12, model__dropout=0.1)
    outcome, _, events = _train(tmp_path, config)
    targets = worlds.dataset().samples["validation"].targets
    rate = targets.mean()
    entropy = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    assert outcome.state.stopping.best < entropy - 0.05
    epochs = [e.train_loss for e in events if isinstance(e, EpochEvent)]
    assert epochs[-1] < epochs[0]


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    _, first, events_1 = _train(tmp_path / "a")
    _, second, events_2 = _train(tmp_path / "b")
    assert _same(first, second)
    assert _losses(events_1) == _losses(events_2)


@pytest.mark.parametrize("stop_at", [1, 3, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 2])
def test_stopping_and_resuming_at_any_step_gives_the_same_bytes(
    tmp_path: Path, stop_at: int
) -> None:
    _, straight, all_events = _train(tmp_path / "a")
    stopped, _, before = _train(tmp_path / "b", stop_at=stop_at)
    assert stopped.stop.reason == "interrupted"
    assert stopped.state.step == stop_at
    _, resumed, after = _train(tmp_path / "b", resume=True)
    assert _same(straight, resumed)
    assert _losses(before) + _losses(after) == _losses(all_events)
    epochs = [(e.step, e.train_loss) for e in all_events if isinstance(e, EpochEvent)]
    again = [(e.step, e.train_loss) for e in before + after if isinstance(e, EpochEvent)]
    assert epochs == again


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    config = worlds.configuration(training__patience=2, training__max_epochs=30)
    outcome, _, events = _train(tmp_path, config)
    looks = [e for e in events if isinstance(e, ValidationEvent)]
    assert outcome.stop.reason == "early_stop"
    best = min(looks, key=lambda e: e.loss)
    assert outcome.state.stopping.best == best.loss
    shape = budget.solve(config.budget, worlds.FEATURES, config.model)
    model = PatchTST(shape)
    state, _ = checkpoint.restore(tmp_path, "best", "run", model)
    assert state.step == best.step


def test_validation_weighs_every_sample_alike(tmp_path: Path) -> None:
    _, _, events = _train(tmp_path, worlds.configuration(training__max_epochs=1))
    look = next(e for e in reversed(events) if isinstance(e, ValidationEvent) and e.improved)
    config, data = worlds.configuration(), worlds.dataset()
    model = PatchTST(budget.solve(config.budget, worlds.FEATURES, config.model))
    checkpoint.restore(tmp_path, "best", "run", model)
    losses = []
    for row, y in zip(
        data.samples["validation"].rows, data.samples["validation"].targets, strict=True
    ):
        window = data.features[row - worlds.CONTEXT + 1 : row + 1]
        z = float(model(mx.array(window[None]))[0])
        losses.append(math.log1p(math.exp(z)) - y * z)
    assert look.loss == pytest.approx(np.mean(losses), rel=1e-5)


def test_a_diverging_run_stops_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    data = worlds.dataset()
    features = data.features.copy()
    features[200:240] = np.nan
    arrays = Arrays(
        mx.array(features),
        data.samples["train"].rows,
        data.samples["train"].targets,
        np.arange(100, 150),
        data.samples["train"].targets[:50],
    )
    config = worlds.configuration(training__batch_size=8, training__micro_batch=8)
    rows = np.r_[np.arange(20, 150), np.arange(215, 220)]
    arrays = replace(arrays, train_rows=rows, train_targets=arrays.train_targets[: len(rows)])
    with pytest.raises(DivergedError, match=r"lower training\.learning_rate"):
        _train(tmp_path, config, arrays=arrays)


def test_predictions_that_do_not_move_are_called_collapsed(tmp_path: Path) -> None:
    config = worlds.configuration(training__learning_rate=1e-9, training__max_epochs=2)
    data = worlds.dataset()
    constant = Arrays(
        mx.zeros_like(mx.array(data.features)),
        data.samples["train"].rows,
        data.samples["train"].targets,
        data.samples["validation"].rows,
        data.samples["validation"].targets,
    )
    outcome, _, events = _train(tmp_path, config, arrays=constant)
    notices = [e.message for e in events if isinstance(e, NoticeEvent)]
    assert len(notices) == 1
    assert "collapsed" in notices[0]
    assert outcome.state.collapsed_looks == 4


def test_checkpoints_are_spaced_by_time_but_the_last_one_is_always_written(tmp_path: Path) -> None:
    config = worlds.configuration(checkpoint__every_seconds=3600.0)
    _, _, events = _train(tmp_path, config)
    lasts = [e.step for e in events if isinstance(e, CheckpointEvent) and not e.best]
    assert lasts == [3 * STEPS_PER_EPOCH]


def test_the_last_position_of_an_epoch_is_always_looked_at() -> None:
    for per_epoch in range(1, 40):
        for looks in range(1, 10):
            chosen = validation_steps(per_epoch, looks)
            assert per_epoch in chosen
            assert len(chosen) == min(looks, per_epoch)
            assert min(chosen) >= 1


def test_mean_loss_is_exact_for_logits_of_any_size() -> None:
    z, y = np.array([-1000.0, 1000.0, 0.0]), np.array([0.0, 1.0, 1.0], np.float32)
    want = math.log(2) / 3
    assert mean_loss(z, y, binary=True, huber_delta=1.0) == pytest.approx(want)
    assert mean_loss(np.array([3.0]), np.array([0.0]), binary=False, huber_delta=1.0) == 2.5
