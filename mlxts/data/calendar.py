"""When the New York exchange trades: rules for the holidays, a small file for the exceptions.

The rules give the *scheduled* sessions of any year from 1960 on, so the list never ends.
`nyse_closures.csv` names the weekdays on which the exchange stayed shut although no rule requires
it (funerals, storms, attacks, the paperwork crisis of 1968).
"""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Literal

# On which days a series has bars: those of New York, every day, or any that it happens to have.
Days = Literal["NYSE", "24/7", "none"]

FIRST = date(1960, 1, 1)  # before it the exchange also traded on Saturdays and had other holidays

_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6
_DAY = timedelta(days=1)


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (anonymous algorithm; Meeus 1991, chapter 8)."""
    golden = year % 19
    century, rest = divmod(year, 100)
    epact = (19 * golden + century - century // 4 - (8 * century + 13) // 25 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    """The n-th `weekday` of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _observed(day: date) -> date:
    """A fixed date as the exchange keeps it: Saturday on Friday, Sunday on Monday."""
    if day.weekday() == _SATURDAY:
        return day - _DAY
    return day + _DAY if day.weekday() == _SUNDAY else day


@cache
def holidays(year: int) -> frozenset[date]:
    """The holidays that the exchange's rules give for a year from 1960 on."""
    days = {
        easter(year) - 2 * _DAY,
        _nth(year, 9, _MONDAY, 1),
        _nth(year, 11, _THURSDAY, 4),
        _observed(date(year, 7, 4)),
        _observed(date(year, 12, 25)),
    }
    new_year = date(year, 1, 1)
    if new_year.weekday() != _SATURDAY:  # the last session of a year is never given up
        days.add(_observed(new_year))
    if year < 1971:  # Washington's Birthday and Memorial Day had fixed dates
        days |= {_observed(date(year, 2, 22)), date(year, 5, 30)}
        if year != 1970:  # a Saturday that was given no Friday
            days.add(_observed(date(year, 5, 30)))
    else:
        days |= {_nth(year, 2, _MONDAY, 3), _nth(year, 6, _MONDAY, 1) - 7 * _DAY}
    if year < 1969 or (year <= 1980 and year % 4 == 0):  # Election Day
        days.add(_nth(year, 11, _MONDAY, 1) + _DAY)
    if year >= 1998:  # Martin Luther King Jr. Day
        days.add(_nth(year, 1, _MONDAY, 3))
    if year >= 2022:  # Juneteenth
        days.add(_observed(date(year, 6, 19)))
    return frozenset(days)


@cache
def closures() -> frozenset[date]:
    """The weekdays without trading that no rule foresaw."""
    text = (files("mlxts.data") / "nyse_closures.csv").read_text(encoding="utf-8")
    return frozenset(date.fromisoformat(row["date"]) for row in csv.DictReader(text.splitlines()))


def is_scheduled(day: date) -> bool:
    """Whether a session is scheduled on that day by the rules."""
    return day.weekday() < _SATURDAY and day not in holidays(day.year)


def is_session(day: date) -> bool:
    """Whether the exchange traded (or, in the future, is scheduled to trade) on that day."""
    return is_scheduled(day) and day not in closures()


def scheduled_sessions(first: date, last: date) -> list[date]:
    """The sessions from `first` to `last` as known in advance: unforeseen closures count."""
    return [day for day in _days(first, last) if is_scheduled(day)]


def sessions(first: date, last: date) -> list[date]:
    """The sessions from `first` to `last`, both included, from 1960 on."""
    return [day for day in _days(first, last) if is_session(day)]


def _days(first: date, last: date) -> Iterator[date]:
    first = max(first, FIRST)
    return (first + timedelta(days=n) for n in range((last - first).days + 1))
