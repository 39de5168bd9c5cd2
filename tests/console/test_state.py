import math
from datetime import datetime
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.console.state import History, RunState
from mlxts.training.events import (
    CheckpointEvent,
    CompileEvent,
    NoticeEvent,
    PauseEvent,
    ResumeEvent,
    StopEvent,
)
from tests.console.events import heat, run, step, validation


@settings(max_examples=40)
@given(st.lists(st.floats(-10, 10), max_size=400), st.sampled_from([4, 8, 32]))
def test_a_history_is_bounded_and_keeps_the_mean(values: list[float], limit: int) -> None:
    history = History(limit)
    for number, value in enumerate(values):
        history.add(number, value)
    assert len(history.values) < limit
    kept = len(history.values) * history._stride
    if kept:
        assert kept > len(values) - history._stride
        assert fmean(history.values) == pytest.approx(fmean(values[:kept]), abs=1e-9)


def test_a_run_is_gathered() -> None:
    state = RunState()
    for event in run(200):
        state.update(event)
    assert (state.step, state.total_steps, state.epoch) == (200, 1000, 4)
    assert state.validation
    assert state.best_step == 200
    assert len(state.train.values) == 200
    assert len(state.validations.values) == 8
    assert not state.compiling
    assert state.train_loss == pytest.approx(0.49, abs=0.02)


def test_compiling_lasts_until_the_first_step() -> None:
    state = RunState()
    state.update(CompileEvent(0))
    assert state.compiling
    state.update(step(1))
    assert not state.compiling


def test_a_pause_is_seen_and_ends() -> None:
    state = RunState()
    state.update(PauseEvent(5, "88 °C"))
    assert state.paused
    state.update(ResumeEvent(5, 30.0))
    assert not state.paused
    state.update(PauseEvent(6, "88 °C"))
    state.update(StopEvent(6, "overheated", "97 °C"))
    assert not state.paused


def test_what_happened_is_kept_with_its_time_and_not_repeated() -> None:
    times = iter(datetime(2026, 1, 1, 12, 0, second) for second in range(60))
    state = RunState(now=lambda: next(times))
    best, odd = CheckpointEvent(10, "best", True), NoticeEvent(1, "odd")
    for event in (odd, best, validation(10, 0.5, True), best, step(11), heat(), odd):
        state.update(event)
    assert [(at, line.text) for at, line in state.recent] == [("12:00:01", "odd")]


def test_both_curves_lie_over_the_same_steps_and_training_is_smoothed() -> None:
    state = RunState()
    for number in range(1, 101):
        state.update(step(number, 1.0 if number % 2 else 0.0))
        if number in (50, 100):
            state.update(validation(number, number / 100, True))
    train, validated = state.train.over(100, 20), state.validations.over(100, 20)
    assert all(0.2 < value < 0.8 for value in train[15:])
    assert [math.isnan(value) for value in validated] == [True] * 9 + [False] * 11
    assert validated[-1] == pytest.approx(0.975, abs=0.03)
    assert validated[14] == pytest.approx(0.725, abs=0.03)


def test_a_loss_that_is_not_finite_leaves_the_curve_to_the_others() -> None:
    history = History()
    for number, value in ((0, 1.0), (5, math.nan), (10, 3.0)):
        history.add(number, value)
    assert history.over(10, 2) == pytest.approx([1.5, 2.5])
    assert all(math.isnan(value) for value in History().over(10, 3))


def test_the_best_step_is_that_of_the_last_improvement() -> None:
    state = RunState()
    for number, improved in ((10, True), (20, True), (30, False)):
        state.update(validation(number, 0.5, improved))
    assert state.best_step == 20


def test_a_resumed_run_counts_on() -> None:
    state = RunState()
    state.update(heat())  # the guard opens first and knows no step
    state.update(step(501))
    state.update(heat())
    assert state.step == 501
