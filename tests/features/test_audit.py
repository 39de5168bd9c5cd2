"""The audit finds what is planted."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from mlxts.features import audit, catalog, tiers
from mlxts.features.feature import Feature
from mlxts.features.quantity import Quantity
from mlxts.protocol import Splits
from tests.features.bars import path

SPLITS = Splits(
    "test",
    (None, date(1991, 6, 30)),
    (date(1991, 7, 1), date(1991, 8, 31)),
    (date(1991, 9, 1), None),
)
BARS = path(700, seed=8)


def _plant(monkeypatch: pytest.MonkeyPatch, **exprs: pl.Expr) -> list[str]:
    planted = {
        name: Feature(name, "test", "position", "ratio", Quantity(expr, name))
        for name, expr in exprs.items()
    }
    monkeypatch.setattr(catalog, "by_name", lambda: planted)
    return list(planted)


def test_a_clean_tier_is_fine() -> None:
    found = audit.audit(BARS, tiers.tier(20), SPLITS, [300, 650])
    assert found.ok
    assert found.canary_caught
    assert found.look_ahead == ()
    assert found.near_duplicates == ()
    assert 0.0 < found.null_share < 0.2
    assert len(found.shifts) == 20
    assert 1 <= found.components[0.9] <= found.components[0.95] <= found.components[0.99] <= 20


def test_each_broken_promise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    close = pl.col("close")
    names = _plant(
        monkeypatch,
        constant=close * 0.0 + 1.0,
        seldom=(close == close.max()).cast(pl.Float64),
        infinite=pl.when(close == close.min()).then(float("inf")).otherwise(close),
        late=pl.when(close > close.mean()).then(close),
        ahead=close.shift(-1).fill_null(0.0),
    )
    with np.errstate(invalid="ignore"):
        found = audit.audit(BARS, ["ahead", "constant", "seldom"], SPLITS, [300])
    assert not found.ok
    assert found.constant == ("constant",)
    assert found.one_value == ("constant", "seldom")
    assert {one.feature for one in found.look_ahead} >= {"ahead"}
    assert set(names) == {"constant", "seldom", "infinite", "late", "ahead"}


def test_near_duplicates_are_listed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    close, volume = pl.col("close"), pl.col("volume")
    names = _plant(monkeypatch, one=close, two=close * -2.0, three=close.log(), other=volume)
    found = audit.audit(BARS, names, SPLITS, [])
    assert {pair[:2] for pair in found.near_duplicates} == {
        ("one", "two"), ("one", "three"), ("two", "three")
    }  # fmt: skip


def test_shift_is_measured_from_training_to_test_years(monkeypatch: pytest.MonkeyPatch) -> None:
    later = pl.col("date") >= date(1991, 9, 1)
    noise = pl.col("volume").rank() / 700
    names = _plant(monkeypatch, moved=noise + 2.0 * later, stayed=noise)
    moved, stayed = audit.audit(BARS, names, SPLITS, []).shifts
    assert (moved.feature, stayed.feature) == ("moved", "stayed")
    assert moved.distance == pytest.approx(1.0)
    assert moved.mean > 5.0
    assert stayed.distance < 0.2


def test_dimension_counts_what_varies_independently() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(2000, 3))
    matrix = np.hstack([base, base @ rng.normal(size=(3, 7)), np.ones((2000, 1))])
    assert audit.dimension(matrix)[0.99] <= 3
    assert audit.dimension(rng.normal(size=(2000, 10)))[0.99] == 10
