"""Bars of every timescale: each day ends one, none overlaps, and none knows what comes after it."""

import itertools
from collections import Counter
from datetime import date, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mlxts.data import bars, calendar
from mlxts.protocol import TIMESCALES, Timescale

PHASED = [scale for scale in TIMESCALES.values() if bars.spacing(scale) > 1]
STARTS = st.dates(date(1961, 1, 4), date(2024, 6, 30))
modest = settings(max_examples=8, deadline=None)
phased = pytest.mark.parametrize("scale", PHASED, ids=lambda scale: scale.name)


def market(first: date, sessions: int, seed: int = 0, symbol: str = "AAA") -> pl.DataFrame:
    """Daily bars on the exchange's sessions, volumes with digits that rounding cares about."""
    days = calendar.sessions(first, first + timedelta(days=2 * sessions + 20))[:sessions]
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, len(days))))
    opened = close * np.exp(rng.normal(0.0, 0.01, len(days)))
    reach = np.exp(np.abs(rng.normal(0.0, 0.01, (2, len(days)))))
    return pl.DataFrame(
        {
            "date": days,
            "symbol": symbol,
            "open": opened,
            "high": np.maximum(opened, close) * reach[0],
            "low": np.minimum(opened, close) / reach[1],
            "close": close,
            "volume": rng.lognormal(15.0, 1.0, len(days)),
        }
    )


def period(day: date, scale: Timescale) -> tuple[int, int]:
    """The calendar week, fortnight or month of a day, by another rule than the one under test."""
    if scale.unit == "month":
        return day.year, day.month
    monday = day - timedelta(days=day.weekday())
    if scale.unit == "fortnight" and (monday - date(2024, 1, 8)).days % 14:
        monday -= timedelta(days=7)
    return monday.year, monday.timetuple().tm_yday


@cache
def phase_of(scale: Timescale) -> dict[date, int]:
    """The phase of every session from 1960 to 2027, one day after the other."""
    first, last = date(1960, 1, 1), date(2027, 12, 31)
    if scale.unit == "session":
        return {day: n % scale.length for n, day in enumerate(calendar.sessions(first, last))}
    phases, current, count = {}, None, 0
    for day in reversed(calendar.scheduled_sessions(first, last)):
        count = count + 1 if period(day, scale) == current else 0
        phases[day], current = count, period(day, scale)
    return phases


@phased
def test_every_session_ends_a_bar_of_exactly_one_phase(scale: Timescale) -> None:
    last = date(2026, 3, 31)
    ends, phases = bars.schedule(scale, last)
    found = Counter(ends.tolist())
    assert set(found.values()) == {1}
    assert set(calendar.sessions(calendar.FIRST, last)) <= set(found)
    if scale.unit == "session":
        assert set(phases.tolist()) == set(range(scale.length))


@phased
def test_the_phase_of_a_day_counts_what_is_scheduled_after_it(scale: Timescale) -> None:
    for last in (date(2025, 12, 31), date(2024, 2, 14), date(2004, 6, 10), date(1987, 12, 1)):
        ends, phases = bars.schedule(scale, last)
        expected = {day: phase for day, phase in phase_of(scale).items() if day <= last}
        assert dict(zip(ends.tolist(), phases.tolist(), strict=True)) == expected


@phased
@modest
@given(first=STARTS, sessions=st.integers(1, 90))
def test_bars_of_a_phase_tile_the_days(scale: Timescale, first: date, sessions: int) -> None:
    daily = market(first, sessions)
    made = bars.build(daily, scale)
    traded = set(daily["date"])
    assert not made.select("symbol", "date").is_duplicated().any()
    for (phase,), of_phase in made.group_by("phase"):
        scheduled = sorted(day for day, of_day in phase_of(scale).items() if of_day == phase)
        ends = [day for day in scheduled if day <= daily["date"][-1]]
        assert set(of_phase["date"]) <= set(ends)
        # Nothing is missing between the first bar and the last day: they lie side by side.
        assert of_phase["date"].to_list() == ends[ends.index(of_phase["date"][0]) :]
        for bar in of_phase.iter_rows(named=True):
            before = ends[ends.index(bar["date"]) - 1]
            days = daily.filter((pl.col("date") > before) & (pl.col("date") <= bar["date"]))
            assert set(calendar.sessions(before + timedelta(days=1), bar["date"])) <= traded
            assert bar["open"] == days["open"][0]
            assert bar["high"] == days["high"].max()
            assert bar["low"] == days["low"].min()
            assert bar["close"] == days["close"][-1]
            assert bar["volume"] == pytest.approx(sum(days["volume"]), rel=1e-12)
            if scale.unit == "session":
                assert days.height == scale.length


@phased
def test_a_bar_over_more_than_twice_the_usual_sessions_is_too_long(scale: Timescale) -> None:
    made = bars.build(market(date(2003, 1, 2), 1500), scale)
    found = dict(zip(made["date"], bars.too_long(made, scale), strict=True))
    for phase in made["phase"].unique():
        scheduled = sorted(day for day, of_day in phase_of(scale).items() if of_day == phase)
        for before, end in itertools.pairwise(scheduled):
            if end in found:
                span = len(calendar.scheduled_sessions(before + timedelta(days=1), end))
                assert found[end] == (span > 2 * bars.spacing(scale)), (end, span)
    assert any(found.values()) == (scale.unit != "session")
    assert not bars.too_long(made.head(0), scale).any()


@phased
def test_a_day_decides_in_one_phase_once_there_is_a_bar_before_it(scale: Timescale) -> None:
    daily = market(date(2003, 1, 2), 700)
    made = bars.build(daily, scale)
    ended = set(made["date"])
    # Late enough that even the phase of the longest months has had an end before.
    late = [day for day in daily["date"] if day >= date(2004, 6, 1)]
    assert all(day in ended for day in late)


@phased
@modest
@given(
    first=STARTS,
    seed=st.integers(0, 99),
    cuts=st.lists(st.integers(1, 299), min_size=1, max_size=4),
)
def test_later_days_change_no_bar(
    scale: Timescale, first: date, seed: int, cuts: list[int]
) -> None:
    daily = market(first, 300, seed)
    whole = bars.build(daily, scale)
    for cut in cuts:
        known = daily.head(cut)
        expected = whole.filter(pl.col("date") <= known["date"][-1])
        assert_frame_equal(bars.build(known, scale), expected, check_exact=True)


def weekly(daily: pl.DataFrame) -> dict[date, dict]:
    made = bars.build(daily, TIMESCALES["weekly"]).filter(phase=bars.CANONICAL)
    return {bar["date"]: bar for bar in made.iter_rows(named=True)}


def test_a_week_without_a_monday_or_friday_is_that_week() -> None:
    daily = market(date(2024, 3, 1), 70)
    made = weekly(daily)
    by_day = {bar["date"]: bar for bar in daily.iter_rows(named=True)}
    assert made[date(2024, 3, 28)]["open"] == by_day[date(2024, 3, 25)]["open"]  # Good Friday
    assert made[date(2024, 5, 31)]["open"] == by_day[date(2024, 5, 28)]["open"]  # Memorial Day
    assert made[date(2024, 4, 5)]["open"] == by_day[date(2024, 4, 1)]["open"]


def test_a_week_whose_friday_was_cancelled_is_complete_when_that_day_has_passed() -> None:
    """On Thursday, 10 June 2004, nothing said in advance that the week was over."""
    daily = market(date(2004, 5, 3), 60)
    thursday, monday = date(2004, 6, 10), date(2004, 6, 14)
    friday = date(2004, 6, 11)
    assert friday not in weekly(daily.filter(pl.col("date") <= thursday))
    bar = weekly(daily.filter(pl.col("date") <= monday))[friday]
    days = daily.filter(pl.col("date").is_between(date(2004, 6, 7), thursday))
    assert (bar["open"], bar["close"]) == (days["open"][0], days["close"][-1])
    assert weekly(daily)[date(2004, 6, 18)]["open"] == daily.filter(date=monday)["open"][0]


def test_blocks_count_the_sessions_that_took_place() -> None:
    daily = market(date(2001, 8, 1), 80)
    made = bars.build(daily, TIMESCALES["5d"])
    around = made.filter(pl.col("date") == date(2001, 9, 19))  # after four days without trading
    days = daily.filter(pl.col("date") <= date(2001, 9, 19)).tail(5)
    assert days["date"][0] == date(2001, 9, 7)
    assert around["open"][0] == days["open"][0]


def test_numbers_and_periods_do_not_depend_on_where_the_data_begin() -> None:
    for scale in PHASED:
        whole = bars.build(market(date(2010, 1, 4), 600), scale)
        later = bars.build(market(date(2010, 1, 4), 600)[300:], scale)
        begin = later["date"].sort()[0] + timedelta(days=200)
        keys = ["symbol", "phase", "date"]
        assert_frame_equal(
            later.filter(pl.col("date") >= begin).sort(keys),
            whole.filter(pl.col("date") >= begin).sort(keys),
            check_exact=True,
        )


def test_a_gap_in_a_symbols_data_leaves_the_calendar_as_it_is() -> None:
    daily = market(date(2019, 1, 2), 40).filter(pl.col("date") != date(2019, 1, 25))
    bar = weekly(daily)[date(2019, 1, 25)]
    assert bar["close"] == daily.filter(date=date(2019, 1, 24))["close"][0]


def test_symbols_keep_to_themselves() -> None:
    first, second = market(date(2015, 1, 2), 200, 1, "A"), market(date(2015, 6, 1), 80, 2, "B")
    for scale in PHASED:
        together = bars.build(pl.concat([first, second]), scale)
        apart = pl.concat([bars.build(first, scale), bars.build(second, scale)])
        assert_frame_equal(together, apart, check_exact=True)
        assert together.equals(together.sort("symbol", "phase", "date"))


def test_facts_of_a_day_stand_at_the_bar_that_ends_on_it() -> None:
    daily = market(date(2004, 5, 3), 60).with_row_index("fact")
    daily = daily.select(pl.exclude("fact"), "fact")
    made = bars.build(daily, TIMESCALES["weekly"]).filter(phase=0)
    facts = dict(made.select("date", "fact").iter_rows())
    assert facts[date(2004, 6, 18)] == daily.filter(date=date(2004, 6, 18))["fact"][0]
    assert facts[date(2004, 6, 11)] is None


def test_daily_bars_are_the_days() -> None:
    daily = market(date(2004, 5, 3), 60)
    for name in ("daily", "daily_multi"):
        made = bars.build(daily, TIMESCALES[name])
        assert_frame_equal(made.drop("phase"), daily, check_exact=True)
        assert made["phase"].to_list() == [0] * 60


def test_too_few_days_make_no_bar() -> None:
    daily = market(date(2019, 1, 3), 1)
    for scale in PHASED:
        made = bars.build(daily, scale)
        assert made.height == 0
        assert made.schema["phase"] == pl.Int16


def test_days_before_the_calendar_begins_are_in_no_bar() -> None:
    daily = market(date(1960, 1, 4), 300)
    early = daily.head(40).with_columns(pl.col("date") - timedelta(days=100))
    for scale in PHASED:
        made = bars.build(pl.concat([early, daily]), scale)
        assert_frame_equal(made, bars.build(daily, scale), check_exact=True)


def test_what_decides_the_bars_is_hashed() -> None:
    hashes = {bars.schedule_hash(scale, date(2024, 5, 1)) for scale in PHASED}
    assert len(hashes) == len(PHASED)
    weekly_scale = TIMESCALES["weekly"]
    assert bars.schedule_hash(weekly_scale, date(2024, 5, 2)) not in hashes
    assert bars.schedule_hash(weekly_scale, date(2024, 5, 1)) in hashes


def test_runs_of_earlier_versions_find_their_bars_unchanged() -> None:
    """By this hash a run knows its data again; it may change with the calendar and nothing else."""
    known = "e7e678651a191f7dcaaf3e32f5383828a2ecadc0e45d8b83c513d2b7bb0da3da"
    assert bars.schedule_hash(TIMESCALES["weekly"], date(2018, 12, 31)) == known
