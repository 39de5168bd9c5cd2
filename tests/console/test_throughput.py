import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.console.throughput import SKIP, Throughput


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def play(
    throughput: Throughput, clock: Clock, seconds: float, steps: int, between: float = 0.0
) -> None:
    for _ in range(steps):
        clock.now += seconds + between
        throughput.step(seconds, 64)


def test_the_first_steps_do_not_count() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    play(throughput, clock, 30.0, SKIP)
    assert throughput.eta(100) is None
    play(throughput, clock, 0.1, 20)
    assert throughput.step_seconds == pytest.approx(0.1)
    assert throughput.samples_per_second == pytest.approx(640)
    assert throughput.eta(100) == pytest.approx(10.0)


def test_the_rate_and_the_time_of_a_step_agree() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    for seconds in [0.05, 0.8] * 40:
        play(throughput, clock, seconds, 1)
    assert throughput.step_seconds
    assert throughput.samples_per_second == pytest.approx(64 / throughput.step_seconds)


def test_pauses_do_not_count() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    play(throughput, clock, 0.1, SKIP + 50)
    before = throughput.eta(100)
    clock.now += 3600
    throughput.pause(3600)
    assert throughput.eta(100) == pytest.approx(before)
    assert throughput.elapsed == pytest.approx((SKIP + 50) * 0.1 + 3600)


@settings(max_examples=30)
@given(st.floats(0.01, 5), st.floats(0, 3))
def test_time_between_steps_is_foreseen(seconds: float, between: float) -> None:
    clock = Clock()
    throughput = Throughput(clock)
    play(throughput, clock, seconds, SKIP + 40, between)
    assert throughput.eta(10) == pytest.approx(10 * (seconds + between), rel=1e-6)


def test_the_newest_steps_weigh_most() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    play(throughput, clock, 1.0, SKIP + 100)
    play(throughput, clock, 2.0, 50)
    assert throughput.step_seconds == pytest.approx(2.0, abs=0.01)
