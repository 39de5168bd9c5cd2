"""The algebra: formulas, warm-ups and named columns follow from the operations."""

import numpy as np
import polars as pl
import pytest

from mlxts.features.base_quantities import CLOSE, HIGH, LOW
from mlxts.features.feature import closure
from mlxts.features.quantity import (
    Quantity,
    constant,
    inverse,
    maximum,
    minimum,
    raw,
    talib,
)
from tests.features.bars import path
from tests.features.evaluation import evaluate

BARS = path(200, seed=5, flat=0.2)


@pytest.mark.parametrize(
    ("quantity", "formula", "warmup"),
    [
        (CLOSE - LOW * 2.0, "(close - (low * 2))", 0),
        (CLOSE.lag(3), "lag(close, 3)", 3),
        ((CLOSE - LOW).change(2), "change(close - low, 2)", 2),
        (CLOSE.mean(20).lag(5), "lag(mean(close, 20), 5)", 24),
        (CLOSE.std(250), "std(close, 250)", 59),
        (CLOSE.mean(10) - LOW.mean(30), "(mean(close, 10) - mean(low, 30))", 29),
        (talib("RSI", CLOSE, timeperiod=14), "RSI(close, timeperiod=14)", 14),
        (talib("EMA", CLOSE.lag(4), timeperiod=9), "EMA(lag(close, 4), timeperiod=9)", 12),
        (maximum(CLOSE.lag(1), HIGH), "max(lag(close, 1), high)", 1),
        (minimum(HIGH, CLOSE.lag(2)), "min(high, lag(close, 2))", 2),
        (1.0 / CLOSE, "(1 / close)", 0),
        (0.5 - CLOSE.percentile(60), "(0.5 - percentile(close, 60))", 59),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_formula_and_warm_up_follow_from_the_operations(
    quantity: Quantity, formula: str, warmup: int
) -> None:
    assert quantity.formula == formula
    assert quantity.warmup == warmup
    values = evaluate(BARS, quantity)
    assert np.isnan(values).tolist() == [t < warmup for t in range(200)]


def test_a_name_stands_for_one_formula() -> None:
    first = (CLOSE + 1.0).named("test_one_formula")
    again = (CLOSE + 1.0).named("test_one_formula")
    assert first.columns == again.columns
    with pytest.raises(ValueError, match="test_one_formula is"):
        (CLOSE + 2.0).named("test_one_formula")


def test_naming_twice_is_naming_once() -> None:
    named = (CLOSE + 3.0).named("test_named_twice")
    assert named.named("test_named_twice") is named
    assert named.staged() is named


def test_a_staged_quantity_is_a_column_of_its_own() -> None:
    staged = (CLOSE - LOW).staged()
    assert staged.expr.meta.root_names() == ["(close - low)"]
    assert [column.name for column in closure([staged])] == ["(close - low)"]


def test_dividing_by_nothing_is_0() -> None:
    bars = BARS.with_columns(spread=pl.when(pl.col("close") > 50).then(0.0).otherwise(2.0))
    values = evaluate(bars, inverse(raw("spread"), 1e-9))
    assert values.tolist() == [0.0 if close > 50 else 0.5 for close in bars["close"]]


@pytest.mark.parametrize("value", [1e-10, -1e-10, 0.0])
def test_rounding_has_no_sign(value: float) -> None:
    bars = BARS.head(3).with_columns(pl.lit(value).alias("rest"))
    assert evaluate(bars, raw("rest").sign()).tolist() == [0.0] * 3
    assert evaluate(bars, raw("rest").positive()).tolist() == [0.0] * 3
    assert evaluate(bars, (raw("rest") + 1e-8).sign()).tolist() == [1.0] * 3
    assert evaluate(bars, (raw("rest") - constant(1e-8)).sign()).tolist() == [-1.0] * 3


def test_a_root_of_less_than_nothing_is_0() -> None:
    bars = BARS.head(2).with_columns(pl.lit(-1e-18).alias("rest"))
    assert evaluate(bars, raw("rest").sqrt()).tolist() == [0.0, 0.0]
