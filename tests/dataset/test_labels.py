"""The seven tasks against a loop that reads like their definition."""

import itertools
import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlxts.dataset import labels
from mlxts.protocol import TASKS, Task

THRESHOLDS = sorted(
    (task for task in TASKS.values() if task.threshold is not None),
    key=lambda task: task.threshold or 0.0,
)
tasks = st.sampled_from(list(TASKS.values()))
horizons = st.integers(1, 25)
modest = settings(max_examples=50, deadline=None)


@st.composite
def price_paths(draw: st.DrawFn) -> pl.DataFrame:
    """Bars of one to three symbols: closes on a random walk, highs above and lows below them."""
    frames = []
    for symbol in draw(st.sampled_from([("A",), ("A", "B"), ("A", "B", "C")])):
        length = draw(st.integers(1, 40))
        steps = draw(
            st.lists(st.floats(-0.08, 0.08), min_size=length, max_size=length).map(np.array)
        )
        reach = draw(
            st.lists(st.floats(0.001, 0.05), min_size=length, max_size=length).map(np.array)
        )
        close = draw(st.floats(0.5, 5000.0)) * np.exp(np.cumsum(steps))
        frames.append(bars(close, close * (1.0 + reach), close * (1.0 - 0.5 * reach), symbol))
    return pl.concat(frames)


def bars(close: np.ndarray, high: np.ndarray, low: np.ndarray, symbol: str = "A") -> pl.DataFrame:
    first = date(2020, 1, 1)
    return pl.DataFrame(
        {
            "date": [first + timedelta(days=day) for day in range(len(close))],
            "symbol": symbol,
            "high": np.asarray(high, dtype=float),
            "low": np.asarray(low, dtype=float),
            "close": np.asarray(close, dtype=float),
        }
    )


def naive(frame: pl.DataFrame, task: Task, horizon: int) -> list[tuple[float | None, date | None]]:
    found: list[tuple[float | None, date | None]] = []
    for symbol in frame["symbol"].unique(maintain_order=True):
        rows = frame.filter(pl.col("symbol") == symbol).to_dicts()
        for t, now in enumerate(rows):
            ahead = rows[t + 1 : t + 1 + horizon]
            if len(ahead) < horizon:
                found.append((None, None))
                continue
            last = ahead[-1]
            if task.kind == "direction":
                value = float(last["close"] > now["close"])
            elif task.kind == "regression":
                value = math.log(last["close"] / now["close"])
            elif task.kind == "range":
                highest = max(bar["high"] for bar in ahead)
                value = math.log(math.log(highest / min(bar["low"] for bar in ahead)))
            else:
                assert task.threshold is not None
                value = float(
                    max(bar["high"] for bar in ahead) >= now["close"] * (1.0 + task.threshold)
                )
            found.append((value, last["date"]))
    return found


@modest
@given(price_paths(), tasks, horizons)
def test_targets_equal_a_naive_loop(frame, task, horizon):
    computed = labels.compute(frame, task, horizon)
    expected = naive(frame, task, horizon)
    assert computed.select("date", "symbol").equals(frame.select("date", "symbol"))
    assert computed["label_end"].to_list() == [end for _, end in expected]
    for got, (wanted, _) in zip(computed["target"], expected, strict=True):
        assert got == (wanted if wanted is None else pytest.approx(wanted, abs=1e-11))


@modest
@given(price_paths(), tasks, horizons)
def test_the_last_bars_of_each_symbol_are_null_and_no_other(frame, task, horizon):
    computed = labels.compute(frame, task, horizon)
    for _, rows in computed.group_by("symbol"):
        unknown = min(horizon, rows.height)
        assert rows.sort("date")["target"].is_null().to_list() == (
            [False] * (rows.height - unknown) + [True] * unknown
        )


@modest
@given(price_paths(), tasks, horizons, st.integers(-6, 6))
def test_a_power_of_two_changes_no_target(frame, task, horizon, exponent):
    scaled = frame.with_columns(pl.col("high", "low", "close") * 2.0**exponent)
    assert labels.compute(scaled, task, horizon).equals(labels.compute(frame, task, horizon))


@modest
@given(price_paths(), tasks, horizons, st.floats(0.01, 100.0))
def test_any_factor_changes_no_target_beyond_rounding(frame, task, horizon, factor):
    before = labels.compute(frame, task, horizon)["target"]
    scaled = frame.with_columns(pl.col("high", "low", "close") * factor)
    after = labels.compute(scaled, task, horizon)["target"]
    if not task.binary:
        np.testing.assert_allclose(after.to_numpy(), before.to_numpy(), atol=1e-11)
        return
    # A comparison may flip only where its two sides were equal up to rounding.
    assume(margin(frame, task, horizon) > 1e-12)
    assert after.to_list() == before.to_list()


def margin(frame: pl.DataFrame, task: Task, horizon: int) -> float:
    """How far, relatively, the closest comparison is from equality."""
    closest = math.inf
    for symbol in frame["symbol"].unique():
        rows = frame.filter(pl.col("symbol") == symbol).to_dicts()
        for t in range(len(rows) - horizon):
            ahead = rows[t + 1 : t + 1 + horizon]
            level = rows[t]["close"] * (1.0 + (task.threshold or 0.0))
            reached = (
                ahead[-1]["close"] if task.kind == "direction" else max(b["high"] for b in ahead)
            )
            closest = min(closest, abs(reached / level - 1.0))
    return closest


@modest
@given(price_paths(), horizons)
def test_a_higher_threshold_is_never_reached_more_often(frame, horizon):
    for lower, higher in itertools.pairwise(THRESHOLDS):
        easy = labels.compute(frame, lower, horizon)["target"].drop_nulls()
        hard = labels.compute(frame, higher, horizon)["target"].drop_nulls()
        assert (hard <= easy).all()


@modest
@given(price_paths(), st.sampled_from(THRESHOLDS), st.integers(1, 12), st.integers(1, 12))
def test_a_longer_horizon_never_loses_a_touch(frame, task, horizon, more):
    short = labels.compute(frame, task, horizon)["target"]
    long = labels.compute(frame, task, horizon + more)["target"]
    known = long.is_not_null()
    assert (short.filter(known) <= long.filter(known)).all()


@modest
@given(price_paths(), tasks, horizons, st.integers(0, 40))
def test_later_bars_change_no_target_that_was_known(frame, task, horizon, length):
    known = labels.compute(frame.head(length), task, horizon)
    later = labels.compute(frame, task, horizon).head(length)
    kept = known["target"].is_not_null()
    assert known.filter(kept).equals(later.filter(kept))


def test_a_high_exactly_at_the_threshold_counts_and_an_equal_close_does_not():
    frame = bars(close=np.full(2, 100.0), high=np.array([100.0, 105.0]), low=np.full(2, 100.0))
    assert labels.compute(frame, TASKS["threshold_5pct"], 1)["target"].to_list() == [1.0, None]
    assert labels.compute(frame, TASKS["direction"], 1)["target"].to_list() == [0.0, None]


@modest
@given(price_paths(), horizons, st.integers(1, 12))
def test_a_longer_horizon_never_narrows_a_range(frame, horizon, more):
    short = labels.compute(frame, TASKS["range"], horizon)["target"]
    long = labels.compute(frame, TASKS["range"], horizon + more)["target"]
    known = long.is_not_null()
    assert (short.filter(known) <= long.filter(known)).all()


@modest
@given(price_paths(), horizons, st.floats(-0.9, 5.0))
def test_the_range_knows_nothing_of_the_close_at_which_it_is_decided(frame, horizon, moved):
    other = frame.with_columns(pl.col("close") * (1.0 + moved))
    before, after = (labels.compute(f, TASKS["range"], horizon) for f in (frame, other))
    assert before.equals(after)


def test_days_without_a_range_have_no_target_until_one_of_the_horizon_has():
    """Rounding of adjusted prices makes no range either."""
    still = np.array([100.0, 100.0, 100.0, 101.0, 100.0])
    high = np.array([101.0, 100.0, 100.0 * (1 + 1e-13), 102.0, 101.0])
    frame = bars(close=still, high=high, low=np.array([99.0, 100.0, 100.0, 100.0, 100.0]))
    days = frame["date"]
    one, two = (labels.compute(frame, TASKS["range"], horizon) for horizon in (1, 2))
    assert one["target"].is_null().to_list() == [True, True, False, False, True]
    assert one["label_end"].to_list() == [None, None, days[3], days[4], None]
    assert two["target"].is_null().to_list() == [True, False, False, True, True]
    assert two["target"][1] == pytest.approx(math.log(math.log(1.02)))
