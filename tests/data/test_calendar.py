from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.data import calendar

DAYS = st.dates(date(1960, 1, 1), date(2080, 12, 31))


# The other library uses a call that pandas is about to change.
@pytest.mark.filterwarnings("ignore:Series.values returning")
def test_sessions_equal_those_of_an_independent_library() -> None:
    exchange_calendars = pytest.importorskip("exchange_calendars")
    first, last = date(1970, 1, 1), date(2030, 12, 31)
    theirs = exchange_calendars.get_calendar("XNYS", start=first, end=last)
    assert calendar.sessions(first, last) == [stamp.date() for stamp in theirs.sessions]


def test_unforeseen_closures_are_scheduled_sessions_without_trading() -> None:
    assert len(calendar.closures()) == 47
    for day in calendar.closures():
        assert calendar.is_scheduled(day)
        assert not calendar.is_session(day)


@pytest.mark.parametrize(
    ("day", "open_"),
    [
        (date(1964, 11, 3), False),  # Election Day
        (date(1966, 11, 8), False),  # and between presidential elections, until 1968
        (date(1970, 11, 3), True),
        (date(1980, 11, 4), False),
        (date(1984, 11, 6), True),
        (date(2010, 12, 31), True),  # New Year's Day was a Saturday and gave no holiday
        (date(2022, 1, 17), False),  # Martin Luther King Jr. Day
        (date(2021, 6, 18), True),  # Juneteenth, not yet
        (date(2022, 6, 20), False),
        (date(2001, 9, 12), False),
        (date(2040, 12, 25), False),
    ],
)
def test_known_days(day: date, open_: bool) -> None:
    assert calendar.is_session(day) is open_


@given(DAYS)
@settings(max_examples=60)
def test_easter_is_a_sunday_of_spring(day: date) -> None:
    easter = calendar.easter(day.year)
    assert easter.weekday() == 6
    assert date(day.year, 3, 22) <= easter <= date(day.year, 4, 25)


@given(DAYS, st.integers(0, 400), st.integers(0, 400))
@settings(max_examples=40)
def test_ranges_join_without_seam(day: date, before: int, after: int) -> None:
    first, last = day - timedelta(days=before), day + timedelta(days=after)
    halves = calendar.sessions(first, day) + calendar.sessions(day + timedelta(days=1), last)
    assert calendar.sessions(first, last) == halves
