"""As of when a series is known, against a naive reading of the rule, and what a panel does."""

from datetime import date, timedelta
from math import log
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mlxts.config.data import DataConfig
from mlxts.data import exogenous_catalog, exogenous_releases, panel, store
from mlxts.data.exogenous_catalog import SERIES, TRENDS, Late, Series
from mlxts.errors import ConfigError, DataError

DAY = timedelta(days=1)
START = date(2020, 1, 1)


def made(lag: int, *late: Late, form: str = "level") -> Series:
    return Series("MADE", "fred", "weekly", lag, form, "", "", "", late)  # ty: ignore[invalid-argument-type]


def frame(rows: list[tuple[date, float]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"date": pl.Date, "value": pl.Float64}, orient="row")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Series, list[tuple[date, float]], list[date]]:
    """A series with a late stretch, its observations, and some days to ask about it."""
    offsets = sorted(draw(st.sets(st.integers(0, 120), min_size=1, max_size=25)))
    rows = [(START + n * DAY, float(n)) for n in offsets]
    stretch = sorted(draw(st.tuples(st.integers(0, 120), st.integers(0, 120))))
    late = Late(START + stretch[0] * DAY, START + stretch[1] * DAY, draw(st.integers(10, 60)))
    asked = draw(st.lists(st.integers(-5, 200), min_size=1, max_size=30))
    return made(draw(st.integers(0, 10)), late), rows, [START + n * DAY for n in asked]


def lag_of(one: Series, day: date) -> int:
    return next((x.lag_days for x in one.late if x.first <= day <= x.last), one.lag_days)


def known(one: Series, rows: list[tuple[date, float]], asked: list[date]) -> pl.DataFrame:
    return exogenous_releases.as_of(
        pl.Series(asked), [exogenous_releases.releases(one, frame(rows))]
    )


@given(worlds())
@settings(max_examples=60, deadline=None)
def test_a_day_sees_the_newest_observation_that_is_released(
    world: tuple[Series, list[tuple[date, float]], list[date]],
) -> None:
    one, rows, asked = world
    seen = known(one, rows, asked)
    assert seen["date"].to_list() == sorted(set(asked))
    for day, value in seen.iter_rows():
        released = [v for d, v in rows if d + lag_of(one, d) * DAY <= day]
        assert value == (released[-1] if released else None)


@given(worlds(), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_what_is_released_later_changes_nothing_before(
    world: tuple[Series, list[tuple[date, float]], list[date]], cut: int
) -> None:
    """Cut at the release, not at the date: a value dated before the cut may come after it."""
    one, rows, asked = world
    border = START + cut * DAY
    past = [(d, v) for d, v in rows if d + lag_of(one, d) * DAY <= border]
    if past:
        before = known(one, past, asked).filter(pl.col("date") <= border)
        assert_frame_equal(known(one, rows, asked).filter(pl.col("date") <= border), before)


def test_coverage_is_the_share_of_days_on_which_a_value_was_known() -> None:
    known = exogenous_releases.releases(
        made(2), frame([(START + 3 * DAY, 1.0), (START + 5 * DAY, 2.0)])
    )
    days = pl.Series([START + n * DAY for n in (1, 4, 5, 5, 9)])
    assert exogenous_releases.coverage(days, [known]) == {"MADE": 0.6}
    assert exogenous_releases.coverage(days.head(0), [known]) == {"MADE": 0.0}


def test_a_value_is_not_seen_at_its_own_date() -> None:
    rows = [(date(2024, 1, 1), 1.0), (date(2024, 2, 1), 2.0)]
    asked = [date(2024, 2, 24), date(2024, 2, 25), date(2024, 3, 26), date(2024, 3, 27)]
    assert known(made(55), rows, asked)["exog_made"].to_list() == [None, 1.0, 1.0, 2.0]


def test_a_value_that_a_newer_one_overtakes_is_never_shown() -> None:
    late = Late(date(2024, 2, 1), date(2024, 2, 1), 100)
    rows = [(date(2024, n, 1), float(n)) for n in (1, 2, 3)]
    asked = [START.replace(year=2024) + n * DAY for n in range(200)]
    assert set(known(made(40, late), rows, asked)["exog_made"]) == {None, 1.0, 3.0}


def test_growth_is_over_a_calendar_year_whatever_is_missing() -> None:
    months = [date(2020 + n // 12, n % 12 + 1, 1) for n in range(30)]
    rows = [(day, 100.0 * 1.01**n) for n, day in enumerate(months) if n not in (5, 20)]
    grown = exogenous_releases.formed(made(0, form="growth"), frame(rows))
    assert grown["date"].to_list() == [
        d for n, d in enumerate(months) if n >= 12 and n not in (17, 20)
    ]
    assert grown["value"].to_list() == pytest.approx([12 * log(1.01)] * grown.height)


def test_logarithms_leave_out_what_has_none() -> None:
    rows = [(START, 0.0), (START + DAY, 20.0)]
    assert exogenous_releases.formed(made(0, form="log"), frame(rows)).rows() == [
        (START + DAY, log(20.0))
    ]


def register(symbol: str, values: pl.DataFrame, source: str = "files") -> None:
    store.register_raw(values, source=source, symbol=symbol, parameters={})


def vix(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.select("date", value=pl.int_range(1, pl.len() + 1).cast(pl.Float64))


def test_a_panel_holds_each_series_as_of_its_release(workspace: Path, bars: pl.DataFrame) -> None:
    register("SPY", bars)
    register("DIA", bars[30:])
    register("VIX", vix(bars))
    data = DataConfig(symbols=("SPY", "DIA"), exogenous=("VIX",))
    loaded = panel.load(data)
    table = loaded.frame.collect(engine="in-memory")
    plain = panel.load(DataConfig(symbols=("SPY", "DIA"))).frame.collect(engine="in-memory")
    assert_frame_equal(table.drop("exog_vix"), plain)
    assert loaded.symbols == ("DIA", "SPY")
    assert [artifact.symbol for artifact in loaded.artifacts] == ["DIA", "SPY", "VIX"]
    # One day after its close, so at the next session; the sessions' numbers are the values.
    seen = table.filter(symbol="SPY")["exog_vix"].exp().round(9).to_list()
    assert seen == [None, *(float(n) for n in range(1, bars.height))]
    assert table.filter(symbol="DIA")["exog_vix"].null_count() == 0


def test_a_series_comes_from_its_source_or_a_file_and_may_be_pinned(
    workspace: Path, bars: pl.DataFrame
) -> None:
    register("SPY", bars)
    register("VIX", vix(bars), "cboe_vix")
    register("VIX", vix(bars)[5:], "files")
    register("VIX", vix(bars)[9:], "fred")
    data = DataConfig(exogenous=("VIX",))
    chosen = panel.choose_series("VIX", data)
    assert (chosen.source, chosen.rows) == ("files", bars.height - 5)
    first = store.raw_artifacts()[1]
    pinned = DataConfig(exogenous=("VIX",), artifact_sha256={"VIX": first.sha256})
    assert panel.load(pinned).artifacts[-1] == first


def test_what_cannot_be_joined_is_refused(workspace: Path, bars: pl.DataFrame) -> None:
    register("SPY", bars)
    with pytest.raises(DataError, match=r"no data for VIX .* download --source cboe_vix VIX"):
        panel.load(DataConfig(exogenous=("VIX",)))
    with pytest.raises(ConfigError, match="no publication lag is known for AAII"):
        panel.load(DataConfig(exogenous=("AAII",)))
    register("VIX", bars)
    with pytest.raises(DataError, match="import VIX with --values"):
        panel.load(DataConfig(exogenous=("VIX",)))
    register("VIX", vix(bars)[:200])
    with pytest.raises(DataError, match=r"VIX is known until 2020-.* bars go on until 2020-12-31"):
        panel.load(DataConfig(exogenous=("VIX",)))


def test_the_table_of_series_keeps_its_promises() -> None:
    for one in (*SERIES.values(), TRENDS):
        assert one.lag_days >= {"daily": 1, "weekly": 5, "monthly": 28}[one.frequency]
        assert one.description
        assert one.release
        assert one.terms
        assert all(x.lag_days > one.lag_days and x.first <= x.last for x in one.late)
        assert one.form in ("level", "log", "growth")
    assert exogenous_catalog.get("GT_GOLD").column == "exog_gt_gold"


# Published release dates (the first of each month is the reference date), the latest ones that
# the agencies' archives show for ordinary months and around the shutdowns.
@pytest.mark.parametrize(
    ("id_", "reference", "released"),
    [
        ("CPIAUCSL", date(2007, 1, 1), date(2007, 2, 21)),
        ("CPIAUCSL", date(2013, 9, 1), date(2013, 10, 30)),
        ("CPIAUCSL", date(2013, 10, 1), date(2013, 11, 20)),
        ("CPIAUCSL", date(2025, 9, 1), date(2025, 10, 24)),
        ("UNRATE", date(2013, 9, 1), date(2013, 10, 22)),
        ("UNRATE", date(2025, 9, 1), date(2025, 11, 20)),
        ("PAYEMS", date(2025, 10, 1), date(2025, 12, 16)),
        ("INDPRO", date(2013, 9, 1), date(2013, 10, 28)),
        ("INDPRO", date(2025, 9, 1), date(2025, 12, 3)),
        ("ICSA", date(2025, 9, 27), date(2025, 11, 20)),
        ("ICSA", date(2024, 11, 23), date(2024, 11, 27)),
        ("NFCI", date(2023, 12, 29), date(2024, 1, 4)),
    ],
)
def test_no_lag_is_shorter_than_what_was_observed(
    id_: str, reference: date, released: date
) -> None:
    one = SERIES[id_]
    assert reference + lag_of(one, reference) * DAY >= released
