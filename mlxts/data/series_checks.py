"""Faults of a whole series of bars that no single row shows: what was read is not what was meant.

Each row of such a series may be true. The spacing of its days, its weekdays or the size of its
prices show that it was exported, or its time stamps converted, in another way.
"""

import numpy as np
import polars as pl

from mlxts.data import calendar

_PRICES = ("open", "high", "low", "close")

_SPACINGS = 5  # between days, at least, to estimate the usual one
_EVEN = 0.8  # of them alike: they are made so
_WEEK = 5  # days apart or more: nobody trades that seldom
_KINDS = ((5, 9, "weekly"), (12, 16, "fortnightly"), (26, 35, "monthly"), (84, 98, "quarterly"))

_WEEKS = 8  # at least, that appear shifted, and so large a share of all:
_SHARE = 1 / 3  # by chance, where days are missing, at most a quarter do
_FIRST_MONDAY = -3  # 1969-12-29, in days since 1970
_MONDAY, _FRIDAY, _SATURDAY, _SUNDAY = 0, 4, 5, 6

# A share of 0.1 is 1e8 billionths, and a ten-thousandth of 1 at least 1e4 units. What is dear in a
# small currency (a bitcoin in rupiah: 1.6e9) is no multiple of that every day.
_LARGE = 1e8
_TICK = 1e4
_ZEROS = 2  # at the end of every price, at least, to tell the unit by
_NO_PRICE = 1e10  # of one share, in any currency


def fault(bars: pl.DataFrame, days_of: calendar.Days = "NYSE") -> tuple[str, str] | None:
    """The rule that a series of bars breaks as a whole and the sentence about it, if it does.

    Args:
        bars: `date`, the four prices; the rows may be in any order.
        days_of: the calendar that it keeps; without one its days may be any, and seldom.
    """
    days = bars["date"].drop_nulls().sort().to_physical().to_numpy().astype(np.int64)
    for rule, sentence in (
        ("spacing", not_daily(days, may_be_seldom=days_of == "none")),
        ("shifted", shifted(days) if days_of == "NYSE" else None),
        ("fixed point", fixed_point(bars)),
    ):
        if sentence:
            return rule, sentence
    return None


def not_daily(days: np.ndarray, *, may_be_seldom: bool = False) -> str | None:
    """Why bars are not daily, by the usual spacing of their days; None where they are.

    Args:
        days: (n,) days since 1970, ascending.
        may_be_seldom: whether days far apart are those of trades, unless they are evenly so.
    """
    spacings = np.diff(days)
    if len(spacings) < _SPACINGS:
        return None
    usual = int(np.quantile(spacings, 0.5, method="lower"))
    dates = days.astype("datetime64[D]")
    weekdays = np.busday_count(dates[:-1], dates[1:])
    # A thinly traded asset has days apart too, but by chance: now one and now four.
    even = max(np.mean(spacings == usual), np.mean(weekdays == np.median(weekdays)))
    if usual == 1 or (usual > 1 and even < _EVEN and (usual < _WEEK or may_be_seldom)):
        return None
    if usual == 0:
        return "most days have several bars, so they are intraday; export daily bars"
    kind = next((f"they are {kind}" for low, high, kind in _KINDS if low <= usual <= high), "")
    insist = "; if it trades that seldom, give --calendar none" if even < _EVEN else ""
    return (
        f"the bars lie {usual} days apart (median), so {kind or 'they are not daily'}; export "
        f"daily bars: longer ones are made of them (`timescale`){insist}"
    )


def shifted(days: np.ndarray) -> str | None:
    """Whether the days are those of a market but one or two off, so that weekends have bars.

    Their weeks have bars on Sunday and none on Friday, or on Saturday and none on Monday. The weeks
    of markets that never close, and of currencies with a short session on Sunday, have both.

    Args:
        days: (n,) days since 1970, ascending.
    """
    weeks, weekday = np.divmod(np.unique(days) - _FIRST_MONDAY, 7)
    weeks -= weeks[:1]
    has = np.zeros((7, int(weeks[-1]) + 2 if len(weeks) else 1), dtype=bool)
    has[weekday, weeks] = True
    early, late = has[_SUNDAY] & ~has[_FRIDAY], has[_SATURDAY] & ~has[_MONDAY]
    if max(early.sum(), late.sum()) < max(_WEEKS, _SHARE * has.any(axis=0).sum()):
        return None
    name, weekend, absent, way = (
        ("Sundays", _SUNDAY, "Fridays", "early")
        if early.sum() >= late.sum()
        else ("Saturdays", _SATURDAY, "Mondays", "late")
    )
    count = has[weekend].sum()
    return (
        f"{count:,} of {len(days):,} bars fall on {name}, and {absent} are missing: the dates are "
        f"a day {way}, as where midnights of another time zone were written in UTC; write the "
        "exchange's own dates, or, if it trades on these days, give --calendar none"
    )


def fixed_point(bars: pl.DataFrame) -> str | None:
    """Whether all four prices are whole numbers so large that they must count fractions."""
    prices = bars.select(pl.col(_PRICES).cast(pl.Float64)).drop_nulls().to_numpy()
    if not len(prices) or not np.isfinite(prices).all() or (prices % 1).any():
        return None
    usual = float(np.median(prices))
    if usual < _LARGE or (usual < _NO_PRICE and (prices % _TICK).any()):
        return None
    said = f"the prices are whole numbers around {usual:,.0f}, as fixed-point integers are"
    # Prices have an even number of decimals: 2, 4 or, of a 64th, 6. What is left of the unit's
    # zeros is then even where it is 10^8, odd where it is 10^9. Adjusted prices leave none.
    zeros = next(n for n in range(20, -1, -1) if not (prices % 10.0**n).any())
    units = {n: f"{10**n:,} (around {usual / 10**n:,.2f})" for n in (8, 9)}
    if zeros < _ZEROS:
        return f"{said}; divide them by the vendor's unit: {units[8]}, or {units[9]} as Databento's"
    unit = 8 if zeros in (2, 4, 6, 8) else 9
    return f"{said}; divide them by {units[unit]}"
