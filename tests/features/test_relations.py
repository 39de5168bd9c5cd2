"""Relations against loops over arbitrary paths."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.features import relations as to
from mlxts.features.base_quantities import CLOSE, HIGH, LOW, PERCENT
from mlxts.features.kernels import MAX_AGE
from mlxts.features.quantity import Quantity, raw
from tests.features.bars import frame
from tests.features.evaluation import evaluate

# Prices on a coarse grid cross, touch and repeat one another all the time.
prices = st.lists(st.integers(8, 12).map(float), min_size=2, max_size=120)
quick = settings(max_examples=50, deadline=None)
LEVEL = raw("level")


def _bars(closes: list[float], level: list[float] | float = 10.0) -> pl.DataFrame:
    close = np.array(closes)
    bars = frame(close, close + 1.0, close - 1.0, close, np.ones(len(close)))
    return bars.with_columns(pl.Series("level", np.broadcast_to(level, len(close)) * 1.0))


def _values(bars: pl.DataFrame, quantity: Quantity) -> list[float]:
    return evaluate(bars, quantity).tolist()


@quick
@given(prices)
def test_side_duration_counts_bars_on_one_side(closes: list[float]) -> None:
    expected, run = [], 0
    for t, close in enumerate(closes):
        side = np.sign(close - 10.0)
        run = run + 1 if t and side == np.sign(closes[t - 1] - 10.0) else 1
        expected.append(side * min(run, MAX_AGE))
    assert _values(_bars(closes), to.side_duration(CLOSE, LEVEL)) == expected


@quick
@given(prices)
def test_cross_recency_counts_from_the_last_crossing(closes: list[float]) -> None:
    expected, since, direction = [], 0, 0.0
    sides = [float(np.sign(close - 10.0)) for close in closes]
    for before, side in pairwise(sides):
        since += 1
        if side and side != before:
            since, direction = 1, side
        expected.append(direction * min(since, MAX_AGE))
    assert _values(_bars(closes), to.cross_recency(CLOSE, LEVEL))[1:] == expected


@quick
@given(prices)
def test_touch_recency_counts_from_the_last_bar_around_the_level(closes: list[float]) -> None:
    expected, since = [], -1
    for t, close in enumerate(closes):
        since = 0 if t == 0 or abs(close - 10.0) <= 1.0 else since + 1
        expected.append(float(since))
    assert _values(_bars(closes), to.touch_recency(LEVEL)) == expected


@quick
@given(prices)
def test_zones_have_durations_and_recencies(closes: list[float]) -> None:
    duration, recency, run, since, last = [], [], 0, 0, 0.0
    zones = [float(close > 11.0) - float(close < 9.0) for close in closes]
    for t, zone in enumerate(zones):
        run = run + 1 if t and zone == zones[t - 1] else 1
        since = since + 1
        if zone:
            since, last = 1, zone
        duration.append(zone * run)
        recency.append(last * since)
    bars = _bars(closes)
    assert _values(bars, to.zone_duration(CLOSE, 9.0, 11.0)) == duration
    assert _values(bars, to.zone_recency(CLOSE, 9.0, 11.0)) == recency


@quick
@given(prices, st.integers(1, 9))
def test_distance_slope_and_acceleration(closes: list[float], bars: int) -> None:
    table = _bars(closes, closes[::-1])
    level, rows = np.array(closes[::-1]), len(closes)
    percent = 100.0 / np.array(closes)
    distance = (np.array(closes) - level) * percent
    assert _values(table, to.distance(LEVEL, PERCENT)) == pytest.approx(distance.tolist())
    slope = [(level[t] - level[t - bars]) / bars * percent[t] for t in range(bars, rows)]
    assert _values(table, to.slope(LEVEL, bars, PERCENT))[bars:] == pytest.approx(slope)
    turn = [
        (level[t] - 2 * level[t - bars] + level[t - 2 * bars]) / bars * percent[t]
        for t in range(2 * bars, rows)
    ]
    assert _values(table, to.acceleration(LEVEL, bars, PERCENT))[2 * bars :] == pytest.approx(turn)


@quick
@given(st.lists(st.floats(-0.1, 0.1), min_size=30, max_size=80), st.integers(0, 2**32 - 1))
def test_correlation_is_pearsons(moves: list[float], seed: int) -> None:
    first = np.round(np.array(moves), 4)
    other = np.random.default_rng(seed).normal(0.0, 0.02, len(first))
    bars = _bars([10.0] * len(first)).with_columns(first=first, other=other)
    result = evaluate(bars, to.correlation(raw("first"), raw("other"), 20))
    for t in range(19, len(first)):
        one, two = first[t - 19 : t + 1], other[t - 19 : t + 1]
        expected = np.corrcoef(one, two)[0, 1] if one.std() > 1e-4 else None
        if expected is not None:
            assert result[t] == pytest.approx(expected, abs=1e-6)


def test_a_correlation_with_something_still_is_0() -> None:
    bars = _bars([10.0] * 40).with_columns(still=pl.lit(0.5), other=np.arange(40.0))
    result = evaluate(bars, to.correlation(raw("still"), raw("other"), 20))
    assert set(result[19:].tolist()) == {0.0}


@pytest.mark.parametrize(
    ("value", "norm", "expected"),
    [(2.0, 1.0, np.log(2.0)), (0.0, 1.0, np.log(0.01)), (0.0, 0.0, 0.0), (1e-6, 1.0, np.log(0.01))],
)
def test_a_log_ratio_is_bounded_below_and_0_without_a_norm(
    value: float, norm: float, expected: float
) -> None:
    bars = _bars([10.0] * 3).with_columns(part=pl.lit(value), norm=pl.lit(norm))
    result = _values(bars, to.relative(raw("part"), raw("norm")))
    assert result == pytest.approx([expected] * 3)


def test_the_range_of_a_bar_is_what_touches() -> None:
    bars = _bars([10.0, 12.0, 12.0])
    assert _values(bars, HIGH - LOW) == [2.0, 2.0, 2.0]
    assert _values(bars, to.touch_recency(LEVEL)) == [0.0, 1.0, 2.0]
