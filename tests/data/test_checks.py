from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.data import calendar, checks
from mlxts.data.sources.base import as_bars
from mlxts.errors import DataError

ROW = 100  # where the tests plant a fault, counted from 0


def with_cell(bars: pl.DataFrame, column: str, value: object, row: int = ROW) -> pl.DataFrame:
    index = pl.int_range(pl.len())
    literal = pl.lit(value, dtype=bars.schema[column])
    return bars.with_columns(pl.when(index == row).then(literal).otherwise(column).alias(column))


def test_honest_bars_pass_in_silence(bars: pl.DataFrame) -> None:
    assert checks.check(bars) == ()


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_number_that_is_none_is_named(
    bars: pl.DataFrame, column: str, value: float | None
) -> None:
    found = checks.errors(checks.check(with_cell(bars, column, value)))
    assert [(f.rule, f.row, f.date) for f in found] == [("finite", ROW + 1, bars["date"][ROW])]
    assert column in found[0].message


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_price_that_is_not_positive_is_named(
    bars: pl.DataFrame, column: str, value: float
) -> None:
    found = checks.errors(checks.check(with_cell(bars, column, value)))
    assert [(f.rule, f.row) for f in found] == [("positive", ROW + 1)]


def test_volume_may_be_zero_but_not_below(bars: pl.DataFrame) -> None:
    assert checks.check(with_cell(bars, "volume", 0.0)) == ()
    assert [f.rule for f in checks.check(with_cell(bars, "volume", -1.0))] == ["negative"]


@given(row=st.integers(0, 250), excess=st.floats(2e-6, 0.2), high=st.booleans())
@settings(max_examples=40)
def test_an_extreme_inside_its_bar_is_an_error(
    bars: pl.DataFrame, row: int, excess: float, high: bool
) -> None:
    body = bars.select(open="open", close="close").row(row)
    value = max(body) * (1 - excess) if high else min(body) * (1 + excess)
    found = checks.errors(checks.check(with_cell(bars, "high" if high else "low", value, row)))
    assert [(f.rule, f.row) for f in found] == [("high" if high else "low", row + 1)]


def test_rounding_noise_is_tolerated(bars: pl.DataFrame) -> None:
    top = max(bars.select("open", "close").row(ROW))
    assert checks.check(with_cell(bars, "high", top * (1 - 1e-9))) == ()


def test_a_duplicated_date_is_named_with_both_rows(bars: pl.DataFrame) -> None:
    twice = pl.concat([bars[: ROW + 1], bars[ROW:]])
    found = checks.check(twice)
    assert [(f.severity, f.rule, f.row) for f in found] == [("error", "duplicate", ROW + 2)]
    assert f"row {ROW + 1}" in found[0].message


def test_dates_out_of_order_are_errors(bars: pl.DataFrame) -> None:
    swapped = pl.concat([bars[:ROW], bars[ROW + 1], bars[ROW], bars[ROW + 2 :]])
    found = checks.check(swapped)
    assert [(f.rule, f.row, f.date) for f in found] == [("order", ROW + 2, bars["date"][ROW])]


def test_a_missing_session_is_a_warning_with_its_date(bars: pl.DataFrame) -> None:
    found = checks.check(pl.concat([bars[:ROW], bars[ROW + 2 :]]))
    assert [(f.severity, f.rule, f.date) for f in found] == [("warning", "gap", bars["date"][ROW])]
    assert str(bars["date"][ROW + 1]) in found[0].message


def test_a_bar_on_a_holiday_is_a_warning(bars: pl.DataFrame) -> None:
    holiday = bars[ROW].with_columns(date=pl.lit(date(2020, 7, 3)))
    found = checks.check(pl.concat([bars, holiday]).sort("date"))
    assert [(f.severity, f.rule, f.date) for f in found] == [
        ("warning", "closed", date(2020, 7, 3))
    ]


def halved(bars: pl.DataFrame, by: float) -> pl.DataFrame:
    later = pl.int_range(pl.len()) >= ROW
    prices = ("open", "high", "low", "close")
    return bars.with_columns(pl.when(later).then(pl.col(n) / by).otherwise(n) for n in prices)


def test_a_jump_is_a_warning_unless_a_split_explains_it(bars: pl.DataFrame) -> None:
    jumped = halved(bars, 3.0)
    found = checks.check(jumped)
    assert [(f.severity, f.rule, f.row) for f in found] == [("warning", "jump", ROW + 1)]
    assert checks.check(with_cell(jumped, "splits", 3.0)) == ()
    adjusted = jumped.with_columns(adj_close=bars["close"] / 3)
    assert checks.check(adjusted) == ()


def test_values_need_dates_and_finite_numbers() -> None:
    days = calendar.sessions(date(2020, 1, 2), date(2020, 1, 8))
    values = pl.DataFrame({"date": days, "value": [1.0, -2.0, float("nan"), 0.0, 3.0]})
    assert [(f.rule, f.row) for f in checks.check(values)] == [("finite", 3)]


def test_the_message_is_one_line_and_counts_the_rest(bars: pl.DataFrame) -> None:
    with pytest.raises(DataError) as caught:
        checks.require(bars.with_columns(close=-pl.col("close")), what="files/TEST")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("files/TEST: row 1, 2020-01-02: close is -")
    assert f"and {bars.height - 3} more" in message


@pytest.mark.realdata
def test_real_series_have_only_the_anomalies_that_are_known(realdata: Path) -> None:
    found: dict[str, str] = {}
    for path in sorted(realdata.glob("*/*.parquet")):
        frame = pl.read_parquet(path)
        frame = as_bars(frame) if "open" in frame.columns else frame
        found[path.stem] = checks.summary(checks.check(frame))
    assert {name: text for name, text in found.items() if text} == {
        "VIX": "4 gap, 9 jump, 20 high, 27 low, 33 closed",
        "AAPL": "1 jump",
    }
