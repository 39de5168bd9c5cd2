"""What a series must satisfy before it is stored. Nothing is repaired and nothing is dropped.

An *error* is a row that cannot be true; the series is refused. A *warning* is a row that may be
true and should be inspected. High and low are compared with a relative tolerance of 1e-6, because
adjusted prices are rounded one by one and miss each other in the last bits.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from typing import Literal

import numpy as np
import polars as pl

from mlxts.data import calendar, price_jumps, series_checks
from mlxts.data.sources.base import ORACLE_PREFIX, PLANTED, is_bars
from mlxts.errors import DataError

TOLERANCE = 1e-6  # relative, for high >= max(open, close) and low <= min(open, close)
JUMP = 0.5  # a close that moves by more than this fraction is suspicious
EARLIEST = date(1800, 1, 1)  # before it there were no prices of a day; a year 1 is a default
STILL = 21  # bars in a row of one and the same price are suspicious: a month
EXCESS = 1.1  # adj_close above so many times the close has no dividend to explain it

_1970 = date(1970, 1, 1).toordinal()
_OTHER_MARKET = 10  # bars on days without a session, above which the calendar is another
_SHOWN = 3  # findings that a one-line message spells out


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be.

    Attributes:
        severity: an error refuses the series, a warning is reported.
        rule: a short name, the same for all findings of a kind.
        date: of the row; None where the row has none.
        row: counted from 1 at the first row; None for a row that is absent.
        message: what is wrong, with the values.
    """

    severity: Literal["error", "warning"]
    rule: str
    date: date | None
    row: int | None
    message: str

    def __str__(self) -> str:
        where = [f"row {self.row}"] if self.row else []
        where += [str(self.date)] if self.date else []
        return f"{', '.join(where)}: {self.message}" if where else self.message


def check(
    frame: pl.DataFrame, today: date | None = None, days_of: calendar.Days = "NYSE"
) -> tuple[Finding, ...]:
    """All findings of a series of bars (BAR_SCHEMA) or values (VALUE_SCHEMA), in row order.

    Args:
        today: later dates, but for that of a time zone ahead, are errors; None: of the clock.
        days_of: the calendar that it keeps.
    """
    rows = frame.with_row_index("row", offset=1)
    tomorrow = (today or datetime.now(UTC).date()) + timedelta(days=1)
    if any(name.startswith(ORACLE_PREFIX) for name in frame.columns):
        tomorrow = date.max  # a market that was simulated
    findings = [*_ages(rows, tomorrow)]
    rows = rows.filter(pl.col("date").is_null() | pl.col("date").is_between(EARLIEST, tomorrow))
    if is_bars(frame) and (misread_as := series_checks.fault(rows, days_of)):
        # One cause: what it makes of the rows is not worth a line each.
        return (*findings, Finding("error", misread_as[0], None, None, misread_as[1]))
    findings += [*_dates(rows), *(_bars(rows) if is_bars(frame) else _numbers(rows, "value"))]
    if is_bars(frame):
        findings += _gaps(rows, days_of)
    return tuple(sorted(findings, key=lambda f: (f.row or 0, f.date or date.min)))


def errors(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(f for f in findings if f.severity == "error")


def warnings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(f for f in findings if f.severity == "warning")


def require(
    frame: pl.DataFrame, *, subject: str, days_of: calendar.Days = "NYSE"
) -> tuple[Finding, ...]:
    """The warnings of a series without errors.

    Raises:
        DataError: there is an error; the message names the first ones by row and date.
    """
    if frame.is_empty():
        raise DataError(f"{subject} has no rows; nothing was stored")
    findings = check(frame, days_of=days_of)
    wrong = errors(findings)
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        first_errors = "; ".join(str(f) for f in wrong[:_SHOWN])
        raise DataError(
            f"{subject}: {first_errors}{more}; correct the data and try again (nothing was stored)"
        )
    return warnings(findings)


def is_of_another_market(findings: Sequence[Finding]) -> bool:
    """Whether so many bars lie on days without a session that the calendar is not the market's."""
    return sum(finding.rule == "closed" for finding in findings) > _OTHER_MARKET


def of_any_market(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings that no calendar decides."""
    return tuple(finding for finding in findings if finding.rule not in ("closed", "gap"))


def summary(findings: Sequence[Finding]) -> str:
    """`3 gap, 1 jump`: how many findings of each rule."""
    counts = Counter(f.rule for f in findings)
    return ", ".join(f"{count} {rule}" for rule, count in counts.items())


def _flag(
    rows: pl.DataFrame,
    condition: pl.Expr,
    rule: str,
    message: pl.Expr,
    severity: Literal["error", "warning"] = "error",
) -> Iterator[Finding]:
    # The message is formed before the filter, since it may use the row before.
    checked_rows = rows.select("row", "date", message.alias("message"), condition.alias("bad"))
    for row, day, text in checked_rows.filter("bad").drop("bad").iter_rows():
        yield Finding(severity, rule, day, row, text)


def _is_number(name: str) -> pl.Expr:
    return pl.col(name).is_finite().fill_null(False)


def _numbers(rows: pl.DataFrame, name: str) -> Iterator[Finding]:
    missing = pl.col(name).is_null()
    kind = pl.when(missing).then(pl.lit("missing")).otherwise(pl.col(name).cast(pl.String))
    yield from _flag(rows, ~_is_number(name), "finite", pl.format("{} is {}", pl.lit(name), kind))


def _ages(rows: pl.DataFrame, tomorrow: date) -> Iterator[Finding]:
    """Dates that no price can have."""
    early, late = pl.col("date") < EARLIEST, pl.col("date") > tomorrow
    # Python has no date after the year 9999, and Polars panics over some of its own.
    day = pl.col("date").to_physical().clip(*(d.toordinal() - _1970 for d in (date.min, date.max)))
    outside_range = rows.filter(early | late).select("row", day.cast(pl.Date), early.alias("early"))
    for row, day_text, is_early in outside_range.iter_rows():
        text = f"the date is before {EARLIEST}" if is_early else "the date lies in the future"
        yield Finding("error", "date", day_text, row, text)


def _dates(rows: pl.DataFrame) -> Iterator[Finding]:
    day = pl.col("date")
    yield from _flag(rows, day.is_null(), "date", pl.lit("the date is missing"))
    rows = rows.filter(day.is_not_null())
    first = day.is_first_distinct()
    original = pl.col("row").min().over("date")
    yield from _flag(
        rows, ~first, "duplicate", pl.format("date {} is already in row {}", day, original)
    )
    behind = first & (day < day.cum_max().shift(1))
    yield from _flag(
        rows, behind, "order", pl.format("date {} comes after {}", day, day.cum_max().shift(1))
    )


def _bars(rows: pl.DataFrame) -> Iterator[Finding]:
    prices = ("open", "high", "low", "close")
    adjusted = rows["adj_close"].null_count() < rows.height
    traded = ("volume",) if rows["volume"].null_count() < rows.height else ()
    numbers = (*prices, *traded, *(("adj_close",) if adjusted else ()))
    oracles = [name for name in rows.columns if name.startswith(ORACLE_PREFIX)]
    for name in (*numbers, *oracles):
        yield from _numbers(rows, name)
    if PLANTED in rows.columns:
        yield from _planted_values(rows)
    for name in (*prices, *(("adj_close",) if adjusted else ())):
        yield from _flag(
            rows,
            _is_number(name) & (pl.col(name) <= 0),
            "positive",
            pl.format("{} is {}, not positive", pl.lit(name), pl.col(name)),
        )
    for name in ("volume", "dividends", "splits"):
        yield from _flag(
            rows,
            _is_number(name) & (pl.col(name) < 0),
            "negative",
            pl.format("{} is {}, below zero", pl.lit(name), pl.col(name)),
        )
    whole = rows.filter(pl.all_horizontal(_is_number(n) & (pl.col(n) > 0) for n in prices))
    yield from _ranges(whole)
    yield from _jumps(whole)
    yield from _frozen_prices(whole)
    yield from _volumes(rows)
    yield from _adjusted(whole)


def _planted_values(rows: pl.DataFrame) -> Iterator[Finding]:
    wrong = pl.Series("wrong", ~np.isfinite(rows[PLANTED].to_numpy()).min(axis=1))
    message = pl.lit("a planted feature is missing or not finite")
    checked_rows = rows.select("row", "date").hstack([wrong])
    yield from _flag(checked_rows, pl.col("wrong"), "finite", message)


def _ranges(rows: pl.DataFrame) -> Iterator[Finding]:
    top, bottom = pl.max_horizontal("open", "close"), pl.min_horizontal("open", "close")
    high, low = pl.col("high"), pl.col("low")
    yield from _flag(
        rows,
        high < top * (1 - TOLERANCE),
        "high",
        pl.format("high {} is below the open or close {}", high, top),
    )
    yield from _flag(
        rows,
        low > bottom * (1 + TOLERANCE),
        "low",
        pl.format("low {} is above the open or close {}", low, bottom),
    )


def _jumps(rows: pl.DataFrame) -> Iterator[Finding]:
    """Jumps in prices that should be free of splits and dividends."""
    splits = price_jumps.splits(rows)
    for row, day, split, recorded in zip(
        rows["row"], rows["date"], splits, rows["splits"], strict=True
    ):
        if split is not None:
            ratio = f"{split.numerator}:{split.denominator}"
            text = (
                f"a split of {ratio} is recorded, but the prices are not adjusted for it"
                if recorded > 0
                else f"the price jumps as in an unadjusted split of {ratio}"
            )
            yield Finding("warning", "split", day, row, text)
    price = pl.coalesce("adj_close", "close")
    ratio = price / price.shift(1)
    explained = pl.Series([split is not None for split in splits], dtype=pl.Boolean)
    yield from _flag(
        rows,
        ((ratio - 1).abs() > JUMP) & ~explained,
        "jump",
        pl.format("the close moved by {} %", ((ratio - 1) * 100).round(1)),
        "warning",
    )


def _frozen_prices(rows: pl.DataFrame) -> Iterator[Finding]:
    """Stretches without any movement; the whole series may be one."""
    prices = zip(rows["row"], rows["date"], rows["high"], rows["low"], strict=True)
    for (high, low), stretch in groupby(prices, key=lambda bar: bar[2:]):
        bars = list(stretch)
        if high == low and (len(bars) >= STILL or 1 < len(bars) == rows.height):
            (row, day, *_), (_, last, *_) = bars[0], bars[-1]
            text = f"the price is {low} in {len(bars):,} bars in a row, until {last}"
            yield Finding("warning", "constant", day, row, text)


def _volumes(rows: pl.DataFrame) -> Iterator[Finding]:
    if (rows["volume"] == 0).all(ignore_nulls=False) and rows.height:
        text = "the volume is 0 in every row; volume features will be constant"
        yield Finding("warning", "volume", None, None, text)


def _adjusted(rows: pl.DataFrame) -> Iterator[Finding]:
    """Dividends lower the adjusted prices of the past; only reverse splits raise them."""
    above = rows.filter(pl.col("adj_close") > EXCESS * pl.col("close"))
    if above.is_empty() or rows["splits"].is_between(0, 1, closed="none").any():
        return
    most = (above["adj_close"] / above["close"]).max()
    text = (
        f"adj_close is above the close in {above.height:,} rows, up to {most:.3g} times; "
        "are the two exchanged?"
    )
    yield Finding("warning", "adj_close", above["date"][0], above["row"][0], text)


def _gaps(rows: pl.DataFrame, days_of: calendar.Days) -> Iterator[Finding]:
    """Sessions without a bar (one finding a gap) and bars on days without a session."""
    number = dict(zip(rows["date"].drop_nulls(), rows["row"], strict=False))
    days = sorted(day for day in number if day >= calendar.FIRST)
    if not days or days_of == "none":
        return
    if days_of == "24/7":
        sessions = [days[0] + timedelta(n) for n in range((days[-1] - days[0]).days + 1)]
    else:
        sessions = calendar.sessions(days[0], days[-1])
    position = {day: index for index, day in enumerate(sessions)}
    for day in days:
        if day not in position:
            yield Finding(
                "warning", "closed", day, number[day], "New York did not trade on that day"
            )
    present = [day for day in days if day in position]
    name = "day" if days_of == "24/7" else "New York session"
    for before, after in pairwise(present):
        absent = sessions[position[before] + 1 : position[after]]
        if absent:
            several = len(absent) > 1
            span = f"{absent[0]} to {absent[-1]}" if several else str(absent[0])
            text = f"{len(absent)} {name}{'s have' if several else ' has'} no bar ({span})"
            yield Finding("warning", "gap", absent[0], None, text)
