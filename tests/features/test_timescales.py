"""Features of every timescale: made of that timescale's bars, and of nothing that comes later."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mlxts.config.data import DataConfig
from mlxts.data import bars, calendar, panel, store
from mlxts.data.sources.files import FilesSource
from mlxts.features import engine, tiers, timescales
from mlxts.protocol import TIERS, TIMESCALES
from tests.data.test_bars import market

every = pytest.mark.parametrize("timescale", TIMESCALES)


def known_by(table: pl.DataFrame, day: date) -> pl.DataFrame:
    return table.filter(pl.col("date") <= day)


def assert_same_bits(first: pl.DataFrame, second: pl.DataFrame) -> None:
    """Equal as frames, nulls included, and -0.0 is not 0.0."""
    assert_frame_equal(first, second, check_exact=True)
    for name in first.columns[2:]:
        signs = (np.signbit(one[name].fill_null(0.0).to_numpy()) for one in (first, second))
        assert np.equal(*signs).all(), name


def assert_sees_no_future(daily: pl.DataFrame, tier: int, timescale: str, cuts: list[int]) -> None:
    whole = timescales.build(daily.lazy(), tier, timescale)
    for cut in cuts:
        known = daily.head(cut)
        prefix = timescales.build(known.lazy(), tier, timescale)
        assert_same_bits(prefix, known_by(whole, known["date"][-1]))


def cut_after(daily: pl.DataFrame, day: date) -> int:
    return daily.filter(pl.col("date") <= day).height


@every
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 9999), cuts=st.lists(st.integers(1, 1399), min_size=1, max_size=2))
def test_later_days_change_no_feature(timescale: str, seed: int, cuts: list[int]) -> None:
    assert_sees_no_future(market(date(2001, 1, 2), 1400, seed), 20, timescale, cuts)


@every
def test_no_border_of_the_calendar_lets_the_future_in(timescale: str) -> None:
    daily = market(date(2000, 1, 3), 1300, 7)
    days = [
        date(2004, 6, 10),  # before a cancelled Friday
        date(2004, 6, 9),  # in mid-week and mid-month
        date(2003, 12, 31),  # the end of a year, within a week
        date(2004, 1, 2),
        date(2001, 9, 10),  # before four cancelled days
        date(2004, 5, 31),  # the end of a month, on a holiday
        date(2004, 11, 26),  # a week that ends with an early close
    ]
    assert_sees_no_future(daily, 20, timescale, [cut_after(daily, day) for day in days])


@every
@pytest.mark.realdata
def test_none_of_the_two_thousand_sees_the_future_of_spy(timescale: str, realdata: Path) -> None:
    raw = FilesSource(realdata / "etf" / "SPY.parquet").fetch("SPY").frame
    daily = panel.adjust(raw.with_columns(pl.lit("SPY").alias("symbol")))
    whole = canonical(daily, timescale)
    # A year's end or the middle of a month, in turn: two thousand features take their time.
    day = (date(2014, 12, 31), date(2023, 11, 15))[list(TIMESCALES).index(timescale) % 2]
    known = daily.head(cut_after(daily, day))
    assert_same_bits(canonical(known, timescale), known_by(whole, day))


def canonical(daily: pl.DataFrame, timescale: str) -> pl.DataFrame:
    """All 2,000 features in one phase: the others are series like it, and there may be 23."""
    if bars.spacing(TIMESCALES[timescale]) == 1:
        return timescales.build(daily.lazy(), max(TIERS), timescale)
    made = bars.build(daily, TIMESCALES[timescale]).filter(phase=bars.CANONICAL)
    return engine.build(made.lazy(), tiers.tier(max(TIERS)))


def test_each_phase_is_a_series_of_its_own() -> None:
    daily = market(date(2010, 1, 4), 1200, 3)
    for name in ("3d", "2wk"):
        made = bars.build(daily, TIMESCALES[name])
        table = timescales.build(daily.lazy(), 20, name)
        assert table.select("date", "symbol").equals(made.select("date", "symbol"))
        for phase in (0, made["phase"].sort()[-1]):
            chosen = made["phase"] == phase
            alone = engine.build(made.filter(chosen).lazy(), tiers.tier(20))
            assert_same_bits(alone, table.filter(chosen))


def test_daily_features_are_the_engines() -> None:
    daily = market(date(2010, 1, 4), 500, 4)
    made = timescales.build(daily.lazy(), 50, "daily")
    assert_same_bits(made, engine.build(daily.lazy(), tiers.tier(50)))


@pytest.fixture(scope="module")
def multi() -> tuple[pl.DataFrame, pl.DataFrame]:
    daily = pl.concat(
        [market(date(2001, 1, 2), 2600, 1, "A"), market(date(2004, 3, 10), 1900, 2, "B")]
    )
    return daily, timescales.build(daily.lazy(), 50, "daily_multi")


def test_daily_multi_adds_the_first_tier_of_weeks_and_months(multi) -> None:
    daily, table = multi
    slow = [f"{unit}_{name}" for unit in ("weekly", "monthly") for name in tiers.tier(20)]
    assert table.columns == ["date", "symbol", *tiers.tier(50), *slow]
    assert timescales.joined(table.columns) == {"weekly": 20, "monthly": 20}
    assert set(table.schema.values()) == {pl.Date, pl.String, pl.Float32}
    assert timescales.joined(tiers.tier(2000)) == {}
    assert_same_bits(
        table.select("date", "symbol", *tiers.tier(50)), engine.build(daily.lazy(), tiers.tier(50))
    )


@pytest.mark.parametrize("slow", timescales.JOINED)
def test_a_day_reads_the_last_week_and_month_that_had_ended(multi, slow: str) -> None:
    """Against a loop over the days: the newest bar that the days until then make."""
    daily, table = multi
    name = "momentum_5_level"
    for symbol in ("A", "B"):
        own = daily.filter(symbol=symbol)
        seen = table.filter(symbol=symbol)[f"{slow}_{name}"].to_list()
        scale = TIMESCALES[slow]
        for row in range(700, 760):
            until = bars.build(own.head(row + 1), scale).filter(phase=0)
            expected = engine.build(until.lazy(), [name])[name].to_list()[-1]
            assert seen[row] == expected


def test_a_week_is_known_on_its_last_session_and_not_before(multi) -> None:
    _, table = multi
    column = "weekly_return_1_level"
    own = table.filter(pl.col("symbol") == "A", pl.col("date").is_between(*_WEEK))
    friday, following = own.filter(date=date(2005, 3, 11)), own.filter(date=date(2005, 3, 14))
    thursday = own.filter(date=date(2005, 3, 10))
    assert thursday[column][0] != friday[column][0] == following[column][0]


_WEEK = (date(2005, 3, 7), date(2005, 3, 14))


def test_on_noise_no_joined_feature_foretells_the_next_day() -> None:
    """A weekly bar that is joined before it has ended correlates with the days still to come."""
    daily = market(date(1990, 1, 2), 8000, 11)
    following = (pl.col("close").shift(-1) / pl.col("close")).log().alias("next")
    returns = daily.select("date", following)
    table = timescales.build(daily.lazy(), 20, "daily_multi").join(returns, on="date")
    names = [name for name in table.columns if name.startswith(timescales.JOINED)]
    table = table.select("next", *names).drop_nulls()
    found = table.select(pl.corr(name, "next") for name in names).row(0)
    # Standard error 0.012 a day; a month's feature repeats, so there are fewer numbers behind it.
    assert max(abs(value) for value in found) < 0.06
    # The probe sees what it is meant to: labelled by its first day, a week shows its own future.
    early = bars.build(daily, TIMESCALES["weekly"]).filter(phase=0)
    leaking = daily.select("date").join_asof(
        early.select(
            (pl.col("date") - timedelta(days=4)).alias("date"),
            (pl.col("close") / pl.col("open")).log().alias("week"),
        ),
        on="date",
    )
    leak = leaking.join(returns, on="date").drop_nulls().select(pl.corr("week", "next")).item()
    assert leak > 0.2


def test_other_bars_are_another_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    raw = (
        market(date(2019, 1, 2), 300)
        .drop("symbol")
        .with_columns(
            pl.lit(None, dtype=pl.Float64).alias("adj_close"),
            pl.lit(0.0).alias("dividends"),
            pl.lit(0.0).alias("splits"),
        )
    )
    store.register_raw(raw, source="files", symbol="A", parameters={})
    loaded = panel.load(DataConfig(source="files", symbols=("A",), score_on="A"))
    recipes = {name: timescales.recipe(loaded, name) for name in TIMESCALES}
    assert recipes["daily"] == {}
    assert recipes["daily_multi"]["bars"].keys() == {"weekly", "monthly"}
    closed = date(2019, 6, 14)
    for known in ("sessions", "scheduled_sessions"):
        before = getattr(calendar, known)
        monkeypatch.setattr(
            calendar,
            known,
            lambda first, last, before=before: [d for d in before(first, last) if d != closed],
        )
    bars._schedule.cache_clear()
    try:
        assert all(
            timescales.recipe(loaded, name) != recipes[name]
            for name in TIMESCALES
            if name != "daily"
        )
    finally:
        bars._schedule.cache_clear()
