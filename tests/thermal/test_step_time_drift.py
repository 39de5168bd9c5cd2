import random

from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.thermal.step_time_drift import StepTimeDrift


def feed(drift: StepTimeDrift, seconds: float, count: int) -> int:
    return sum(drift.add(seconds) for _ in range(count))


def test_a_steady_run_has_not_drifted() -> None:
    drift, source = StepTimeDrift(), random.Random(0)
    for _ in range(2000):
        drift.add(0.05 * source.uniform(0.9, 1.1))
    assert not drift.drifted
    assert abs(drift.ratio - 1) < 0.05


@settings(max_examples=40)
@given(st.floats(1e-4, 10), st.floats(1.16, 3))
def test_slowing_down_is_noticed_once_at_any_pace(pace: float, slower: float) -> None:
    drift = StepTimeDrift()
    assert feed(drift, pace, 10 + 150 + 50) == 0
    assert feed(drift, pace * slower, 500) == 1
    assert drift.drifted


@settings(max_examples=40)
@given(st.floats(1e-4, 10), st.floats(0.2, 1.14))
def test_up_to_15_percent_and_speeding_up_are_fine(pace: float, other: float) -> None:
    drift = StepTimeDrift()
    feed(drift, pace, 10 + 150)
    feed(drift, pace * other, 500)
    assert not drift.drifted


def test_the_first_steps_and_single_stalls_do_not_count() -> None:
    drift = StepTimeDrift()
    feed(drift, 30.0, 10)  # compiling
    feed(drift, 0.05, 150)
    for _ in range(40):
        feed(drift, 0.05, 24)
        feed(drift, 5.0, 1)
    assert not drift.drifted


def test_a_run_stays_marked_after_it_recovered() -> None:
    drift = StepTimeDrift()
    feed(drift, 0.05, 160)
    feed(drift, 0.09, 100)
    feed(drift, 0.05, 500)
    assert drift.drifted
    assert drift.ratio == 1.0
    assert drift.to_dict() == {
        "step_time_drift": True,
        "step_time_drift_reason": "step time rose by up to 80%",
        "step_time_ratio": 1.0,
    }
