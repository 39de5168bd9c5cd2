"""Adding future bars never changes a past value, and the checker that says so can be trusted."""

from collections.abc import Sequence
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.data.sources.base import PLANTED
from mlxts.features import catalog, tiers
from mlxts.features.base_quantities import CLOSE, PERCENT, sma
from mlxts.features.causality import CANARY, look_ahead, rewritten
from mlxts.features.feature import Feature
from mlxts.features.quantity import Quantity
from mlxts.simulation import planted_features
from mlxts.simulation.source import SimulatedSource
from tests.features.bars import path

ROWS = 420


def _features(names: Sequence[str]) -> list[Feature]:
    return [catalog.get(name) for name in names]


def _planted(expr: pl.Expr) -> list[Feature]:
    return [Feature("planted", "test", "position", "ratio", Quantity(expr, "planted"))]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    flat=st.sampled_from([0.0, 0.1, 0.6]),
    cuts=st.lists(st.integers(1, ROWS - 1), min_size=1, max_size=3),
)
def test_the_first_tier_sees_no_future(seed: int, flat: float, cuts: list[int]) -> None:
    assert look_ahead(path(ROWS, seed, flat=flat), _features(tiers.tier(20)), cuts) == []


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, ROWS - 1))
def test_no_candidate_sees_the_future(seed: int, cut: int) -> None:
    bars, every = path(ROWS, seed), list(catalog.by_name().values())
    assert look_ahead(bars, every, [cut]) == []


@pytest.mark.parametrize(
    "expr",
    [
        pl.col("close").shift(-1) / pl.col("close"),
        (pl.col("close").shift(-5) / pl.col("close")).forward_fill(),  # hides its trailing nulls
        (pl.col("close") / pl.col("close").shift(9)).backward_fill(),  # fills its warm-up
        pl.col("close") / pl.col("close").mean(),
        (pl.col("close") - pl.col("close").min()) / pl.col("close").std(),
        pl.col("close").rank() * 1.0,
        pl.col("close").rolling_mean(21, center=True) / pl.col("close"),
        pl.col("close").interpolate().reverse().rolling_mean(5).reverse(),
        pl.when(pl.col("date") == pl.col("date").max()).then(0.0).otherwise(1.0),
    ],
    ids=range(9),
)
def test_a_planted_look_ahead_is_caught(expr: pl.Expr) -> None:
    assert look_ahead(path(200, seed=1), _planted(expr), [5, 40, 100, 150])


def test_the_first_wrong_day_is_named() -> None:
    bars = path(100, seed=2, flat=0.0)
    found = look_ahead(bars, _planted(pl.col("close").shift(-2) / pl.col("close")), [50])
    assert [(one.feature, one.cut, one.day) for one in found] == [("planted", 50, bars["date"][48])]


def test_a_look_ahead_behind_a_named_column_is_caught() -> None:
    ahead = Quantity(pl.col("close").shift(-1), "tomorrow").named("tomorrow")
    planted_features = Feature(
        "planted", "test", "distance", "percent", (ahead - sma(20)) * PERCENT
    )
    honest = Feature("honest", "test", "distance", "percent", (CLOSE - sma(20)) * PERCENT)
    found = look_ahead(path(100, seed=3), [planted_features, honest], [60])
    assert {one.feature for one in found} == {"planted"}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, ROWS - 1))
def test_the_canary_is_always_caught_and_alone(seed: int, cut: int) -> None:
    bars = path(ROWS, seed, flat=0.0)
    found = look_ahead(bars, [*_features(tiers.tier(20)), CANARY], [cut])
    assert [(one.feature, one.day) for one in found] == [(CANARY.name, bars["date"][cut - 1])]


@pytest.mark.parametrize(("kind", "leaks"), [("canary", True), ("zipf", False), ("teacher", False)])
def test_planted_features_that_know_tomorrow_are_caught(kind: str, leaks: bool) -> None:
    """The same market, simulated until an earlier day, showed other features on its last bar."""
    names = planted_features.names(20)
    histories = []
    for last in (date(1994, 6, 30), date(1993, 12, 31)):
        frame = SimulatedSource(kind, last=last).fetch("A").frame
        values = pl.from_numpy(frame[PLANTED].to_numpy()[:, :20], schema=names)
        histories.append(frame.select("date").hstack(values))
    found = rewritten(*histories, names)
    expected = [("planted_1", date(1993, 12, 31))] if leaks else []
    assert [(one.feature, one.day) for one in found] == expected
