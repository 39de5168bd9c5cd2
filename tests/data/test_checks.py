from datetime import date
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.data import calendar, checks, price_jumps
from mlxts.data.sources.base import as_bars
from mlxts.errors import DataError

ROW = 100  # where the tests plant a fault, counted from 0
PRICES = ("open", "high", "low", "close")


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


def test_a_jump_is_a_warning_unless_the_adjusted_close_has_none(bars: pl.DataFrame) -> None:
    jumped = halved(bars, 2.4)
    found = checks.check(jumped)
    assert [(f.severity, f.rule, f.row) for f in found] == [("warning", "jump", ROW + 1)]
    assert checks.check(jumped.with_columns(adj_close=bars["close"] / 2.4)) == ()


RATIOS = [Fraction(3, 2), *map(Fraction, range(2, 21))]


@pytest.mark.parametrize("ratio", [*RATIOS, *(1 / ratio for ratio in RATIOS)], ids=str)
def test_a_split_that_nothing_was_adjusted_for_is_told_from_its_ratio(
    bars: pl.DataFrame, ratio: Fraction
) -> None:
    unadjusted = split(bars, float(ratio))
    text = f"split of {ratio.numerator}:{ratio.denominator}"
    (found,) = checks.check(unadjusted)
    assert (found.severity, found.rule, found.row) == ("warning", "split", ROW + 1)
    assert found.message.endswith(text)
    (recorded,) = checks.check(with_cell(unadjusted, "splits", float(ratio)))
    assert recorded.message == f"a {text} is recorded, but the prices are not adjusted for it"
    adjusted = unadjusted.with_columns(adj_close=bars["close"])
    for honest in (bars, adjusted.with_columns(splits=0.0), adjusted):
        recorded = with_cell(honest, "splits", float(ratio))
        assert [f.rule for f in checks.check(recorded) if f.rule != "adj_close"] == []


def test_news_of_the_size_of_a_split_is_told_from_it_by_its_turnover(bars: pl.DataFrame) -> None:
    crash = split(bars, 2.0)
    busy = with_cell(crash, "volume", 8 * crash["volume"][ROW])
    assert [f.rule for f in checks.check(crash)] == ["split"]
    assert [f.rule for f in checks.check(busy)] == []
    deeper = with_cell(split(bars, 3.0), "volume", 8 * crash["volume"][ROW])
    assert [f.rule for f in checks.check(deeper)] == ["jump"]


def split(bars: pl.DataFrame, ratio: float) -> pl.DataFrame:
    """Bars of an asset that was split by `ratio` before a row, as nobody adjusted them."""
    before = pl.int_range(pl.len()) < ROW
    return bars.with_columns(
        *(pl.when(before).then(pl.col(n) * ratio).otherwise(n).alias(n) for n in PRICES),
        volume=pl.when(before).then(pl.col("volume") / ratio).otherwise("volume"),
    )


TODAY = date(2020, 6, 1)


def test_bars_of_the_future_are_errors_but_for_a_time_zone_ahead(bars: pl.DataFrame) -> None:
    for wanted in (bars, bars.select("date", value="close")):
        found = checks.check(wanted, today=TODAY)
        assert {f.severity for f in found} == {"error"}
        assert {f.date for f in found} == {d for d in bars["date"] if d > date(2020, 6, 2)}
    assert "lies in the future" in found[0].message
    simulated = bars.with_columns(oracle_direction_h1=0.5)
    assert checks.check(simulated, today=TODAY) == ()


@pytest.mark.parametrize("day", [date(1, 1, 1), date(1799, 12, 31), date(9999, 12, 31)])
def test_a_date_of_another_age_is_an_error(bars: pl.DataFrame, day: date) -> None:
    found = checks.check(with_cell(bars, "date", day, row=0))
    assert [(f.severity, f.rule, f.row, f.date) for f in found] == [("error", "date", 1, day)]


def test_a_date_that_python_does_not_have_is_an_error_too(bars: pl.DataFrame) -> None:
    far = bars.with_columns(pl.Series("date", [10**9] * bars.height, pl.Int32).cast(pl.Date))
    with pytest.raises(DataError, match=r"row 1, 9999-12-31: the date lies in the future"):
        checks.require(far, subject="files/TEST")


def test_prices_that_do_not_move_are_a_warning(bars: pl.DataFrame) -> None:
    still = bars.with_columns(pl.lit(7.0).alias(name) for name in PRICES)
    assert [(f.severity, f.rule, f.row) for f in checks.check(still)] == [
        ("warning", "constant", 1)
    ]
    assert f"in {bars.height} bars in a row" in checks.check(still)[0].message
    assert [f.rule for f in checks.check(still[:2])] == ["constant"]
    for stretch, said in ((checks.STILL, ["constant"]), (checks.STILL - 1, [])):
        here = pl.int_range(pl.len()).is_between(ROW, ROW + stretch - 1)
        value = bars["close"][ROW]
        some = bars.with_columns(
            pl.when(here).then(value).otherwise(name).alias(name) for name in PRICES
        )
        assert [f.rule for f in checks.check(some)] == said


def test_no_volume_at_all_is_a_warning(bars: pl.DataFrame) -> None:
    found = checks.check(bars.with_columns(volume=0.0))
    assert [(f.severity, f.rule, f.date) for f in found] == [("warning", "volume", None)]


def test_adjusted_closes_above_the_closes_are_a_warning(bars: pl.DataFrame) -> None:
    dividends = bars.with_columns(adj_close=pl.col("close") * 0.3)
    assert checks.check(dividends) == ()
    exchanged = bars.with_columns(adj_close="close", **{n: pl.col(n) * 0.3 for n in PRICES})
    found = checks.check(exchanged)
    assert [(f.severity, f.rule, f.row) for f in found] == [("warning", "adj_close", 1)]
    assert "up to 3.33 times" in found[0].message
    assert checks.check(with_cell(exchanged, "splits", 0.1, row=0)) == ()


def test_values_need_dates_and_finite_numbers() -> None:
    days = calendar.sessions(date(2020, 1, 2), date(2020, 1, 8))
    values = pl.DataFrame({"date": days, "value": [1.0, -2.0, float("nan"), 0.0, 3.0]})
    assert [(f.rule, f.row) for f in checks.check(values)] == [("finite", 3)]


def test_the_message_is_one_line_and_counts_the_rest(bars: pl.DataFrame) -> None:
    with pytest.raises(DataError) as caught:
        checks.require(bars.with_columns(close=-pl.col("close")), subject="files/TEST")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("files/TEST: row 1, 2020-01-02: close is -")
    assert f"and {bars.height - 3} more" in message


@pytest.mark.realdata
def test_real_series_that_were_not_adjusted_are_told(realdata: Path) -> None:
    """Each ratio somewhere in each real series: nearly always told, and as that ratio."""
    rng = np.random.default_rng(0)
    told = []
    for path in sorted([*realdata.glob("etf/*.parquet"), *realdata.glob("stock/*.parquet")]):
        frame = as_bars(pl.read_parquet(path))
        for ratio in RATIOS[:9]:
            first = int(rng.integers(30, frame.height)) - ROW
            around = frame[max(first, 0) :][: ROW + 20] if first >= 0 else None
            if around is not None and around.height > ROW:
                found = price_jumps.splits(split(around, float(ratio)))
                told.append(found[ROW] == ratio)
    assert len(told) > 100
    assert np.mean(told) > 0.9


@pytest.mark.realdata
def test_real_series_have_only_the_anomalies_that_are_known(realdata: Path) -> None:
    found: dict[str, str] = {}
    for path in sorted(realdata.glob("*/*.parquet")):
        frame = pl.read_parquet(path)
        frame = as_bars(frame) if "open" in frame.columns else frame
        found[path.stem] = checks.summary(checks.check(frame))
    assert {name: text for name, text in found.items() if text} == {
        "VIX": "1 volume, 4 gap, 4 split, 20 high, 27 low, 33 closed, 6 jump",
        "AAPL": "1 jump",
    }
