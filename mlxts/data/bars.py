"""From days to the bars of a timescale, in every phase.

A phase is one way to lay bars side by side. Bars of k sessions end, in phase s, at the sessions
whose number is s modulo k; bars of a week, fortnight or month end, in phase s, at the (s+1)-th
last *scheduled* session of the period. So every trading day ends a bar in exactly one phase, and
the bars of a phase never overlap.

When a bar ends is known in advance: had the end been the last session that the data holds, the
newest bar would change with each day that is added. A session that the exchange cancelled still
ends its bar, which then holds the days before it and is complete once that date has passed.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import polars as pl
from jaxtyping import Bool

from mlxts.data import calendar
from mlxts.files import canonical_hash
from mlxts.protocol import Timescale

CANONICAL = 0  # the phase whose bars end with the period
REVISION = 1  # grows when the same days make other bars: older runs do not know them then
FORTNIGHTS_FROM = date(1960, 1, 4)  # a Monday

_SESSIONS = {"session": 1, "week": 5, "fortnight": 10, "month": 21}  # nominal, in each unit
_LONGEST_PERIOD = timedelta(days=31)
_TOO_LONG = 2  # times the usual sessions: a bar that spans more is in no window
_DAY = timedelta(days=1)
COLUMNS = ("date", "symbol", "open", "high", "low", "close", "volume")


def spacing(timescale: Timescale) -> int:
    """Trading days from the end of one bar to the end of the next of its phase, nominally."""
    return timescale.length * _SESSIONS[timescale.unit]


def schedule(timescale: Timescale, last: date) -> tuple[np.ndarray, np.ndarray]:
    """The days until `last` on which bars end.

    Sessions are numbered as they took place; which session is the last of a week is what the
    exchange's rules foresaw, since a cancelled session is only known of when it is cancelled.

    Returns:
        (n,) datetime64[D], increasing from 1960 on, and (n,) int16, the phase of each.
    """
    ends, phases = _schedule(timescale, last.year)
    n_complete = np.searchsorted(ends, np.datetime64(last, "D"), side="right")
    return ends[:n_complete], phases[:n_complete]


@lru_cache(maxsize=64)
def _schedule(timescale: Timescale, year: int) -> tuple[np.ndarray, np.ndarray]:
    """`schedule` for the years until `year`, and a month more that is too short for its periods."""
    last = date(year, 12, 31) + _LONGEST_PERIOD
    if timescale.unit == "session":
        days = calendar.sessions(calendar.FIRST, last)
        phases = np.arange(len(days)) % timescale.length
    else:
        days = calendar.scheduled_sessions(calendar.FIRST, last)
        periods = np.array([_period(day, timescale) for day in days])
        _, first, of = np.unique(periods, return_index=True, return_inverse=True)
        after_last = np.r_[first[1:], len(days)]
        phases = after_last[of] - 1 - np.arange(len(days))
    return np.array(days, dtype="datetime64[D]"), phases.astype(np.int16)


def too_long(bars: pl.DataFrame, timescale: Timescale) -> Bool[np.ndarray, " {bars.height}"]:
    """Which bars span more than twice the sessions that are usual for the timescale.

    They are of phases that not every period has: where no month has a 23rd-last session for half a
    year, that phase's bar runs through all of it. Known in advance, as the ends are.

    Args:
        bars: as `build` returns them.
    """
    dates = bars["date"].to_numpy().astype("datetime64[D]")
    if spacing(timescale) == 1 or not len(dates):
        return np.zeros(len(dates), dtype=bool)
    ends, phases = schedule(timescale, dates.max().item())
    # Each session ends a bar of exactly one phase, so that their numbers count sessions.
    spans = np.zeros(len(ends), dtype=np.int64)
    for phase in range(int(phases.max()) + 1):
        own = np.flatnonzero(phases == phase)
        spans[own[1:]] = np.diff(own)
    return np.isin(dates, ends[spans > _TOO_LONG * spacing(timescale)])


def schedule_hash(timescale: Timescale, last: date) -> str:
    """SHA-256 of all that decides, besides the days' prices, which bars there are until `last`."""
    ends, phases = schedule(timescale, last)
    return canonical_hash([REVISION, ends.astype(str).tolist(), phases.tolist()])


def build(daily: pl.DataFrame, timescale: Timescale) -> pl.DataFrame:
    """The complete bars of each symbol in each phase.

    A bar runs from the session after the end before it. It is left out while its own end is still
    to come, and where the symbol's data begin within it. Days on which New York does not trade
    belong to the bar under way; days before 1960, when Saturdays were sessions, to none.

    Args:
        daily: date, symbol, open, high, low, close, volume, sorted by (symbol, date); further
            columns hold facts of a day.

    Returns:
        Sorted by (symbol, phase, date): date (on which the bar ends, whether or not the symbol
        traded then), symbol, open, high, low, close, volume (summed), phase (Int16), then the
        further columns as on that date, null where the symbol has no such day. Bars of one
        session are the days themselves, all in phase 0.
    """
    facts = [name for name in daily.columns if name not in COLUMNS]
    phase = pl.lit(CANONICAL, dtype=pl.Int16).alias("phase")
    if spacing(timescale) == 1:
        return daily.select(*COLUMNS, phase, *facts)
    empty = daily.clear().select(*COLUMNS, phase)
    series = [
        bars
        for of_symbol in daily.select(COLUMNS).partition_by("symbol")
        for bars in _phases(of_symbol, timescale)
    ]
    bars = pl.concat([empty, *series])
    if not facts:
        return bars
    keys = ["symbol", "date"]
    return bars.join(daily.select(*keys, *facts), on=keys, how="left", maintain_order="left")


def _phases(daily: pl.DataFrame, timescale: Timescale) -> Iterator[pl.DataFrame]:
    """The bars of one symbol, phase by phase."""
    ends, phases = schedule(timescale, daily["date"][-1])
    for phase in range(int(phases.max(initial=-1)) + 1):
        yield _aggregate(daily, ends[phases == phase], phase)


def _aggregate(daily: pl.DataFrame, ends: np.ndarray, phase: int) -> pl.DataFrame:
    """The complete bars of one symbol between `ends` (n,), which all lie within its data."""
    days = daily["date"].to_numpy().astype("datetime64[D]")
    bar_of_day = np.searchsorted(ends, days)
    begins = np.flatnonzero(np.r_[True, bar_of_day[1:] != bar_of_day[:-1]])
    bar = bar_of_day[begins]
    complete = bar < len(ends)
    complete[0] &= bar[0] > 0 and _follows(ends[bar[0] - 1].item(), days[0].item())
    lasts = np.r_[begins[1:], len(days)] - 1
    values = {name: daily[name].to_numpy() for name in COLUMNS[2:]}
    # Segment by segment, each in the order of its days: later days cannot change a rounding.
    return pl.DataFrame(
        {
            "date": ends[bar[complete]],
            "symbol": [daily["symbol"][0]] * int(complete.sum()),
            "open": values["open"][begins][complete],
            "high": np.maximum.reduceat(values["high"], begins)[complete],
            "low": np.minimum.reduceat(values["low"], begins)[complete],
            "close": values["close"][lasts][complete],
            "volume": np.add.reduceat(values["volume"], begins)[complete],
            "phase": np.full(int(complete.sum()), phase, dtype=np.int16),
        },
        schema_overrides={"date": pl.Date, "symbol": pl.String},
    )


def _follows(end: date, first: date) -> bool:
    """Whether no session lies between the end of a bar and the first day of the data."""
    return not calendar.sessions(end + _DAY, first - _DAY)


def _period(day: date, timescale: Timescale) -> int:
    """The number of the week, fortnight or month that a day lies in."""
    if timescale.unit == "month":
        return (12 * day.year + day.month - 1) // timescale.length
    weeks = (day - FORTNIGHTS_FROM).days // 7
    return weeks // (timescale.length * (2 if timescale.unit == "fortnight" else 1))
