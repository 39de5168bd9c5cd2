"""How vendors spell columns and dates, and what they mean."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType

import polars as pl

from mlxts.errors import SourceError

# In order of preference; compared in lower case, with everything but letters and digits removed.
SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "date": (
            "date", "datetime", "timestamp", "time", "day", "observationdate", "tradedate",
            "tradingdate", "pricedate", "indexlevel0", "unnamed0", "", "ds",
        ),
        "open": ("open", "openprice", "opening", "o"),
        "high": ("high", "highprice", "max", "h"),
        "low": ("low", "lowprice", "min", "l"),
        "close": ("close", "closelast", "closeprice", "closing", "last", "price", "c", "y"),
        "volume": ("volume", "vol", "totalvolume", "sharevolume", "v"),
        "adj_close": (
            "adjclose", "adjustedclose", "adjcloseprice", "closeadj", "closeadjusted", "adj",
        ),
        "dividends": ("dividends", "dividend", "dividendamount", "divcash", "exdividend"),
        "splits": (
            "splits", "stocksplits", "split", "splitcoefficient", "splitfactor", "splitratio",
        ),
        "symbol": ("symbol", "ticker", "name", "uniqueid"),
        "value": ("value",),
    }
)  # fmt: skip
REQUIRED = ("date", "open", "high", "low", "close", "volume")
OPTIONAL = ("adj_close", "dividends", "splits", "symbol")
# A time of day or a row's number may accompany a date, and a company's name its symbol: of these
# the first spelling counts. Two columns of one number may differ, and none is the right one.
_FIRST_COUNTS = ("date", "symbol")

DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y",
    "%d-%m-%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%y/%m/%d", "%y.%m.%d", "%d-%b-%Y",
    "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
_DATE_DIGITS = 8  # a longer whole number counts the time since 1970
_UNITS = ((10, 1), (13, 10**3), (16, 10**6), (19, 10**9))  # at most so many digits: in a second
_EARLIEST = date(1800, 1, 1)  # before it, 24 was taken for a year
_LATEST = date(2200, 1, 1)  # after it, a count was taken for one of another unit
_1970 = date(1970, 1, 1).toordinal()
_SATURDAY = 6
_CLOCK = r"[T ]\d{1,2}:\d{2}.*$"  # a time of day and a time zone behind a date


def plain(name: str) -> str:
    """A column name stripped to what identifies it: `1. Adj Close*` -> `adjclose`."""
    return re.sub(r"^\d+(?=[a-z])|[^a-z0-9]", "", re.sub(r"[^a-z0-9]", "", name.lower()))


def match(columns: Sequence[str], *, values: bool) -> dict[str, str]:
    """Map our names to the columns at hand.

    Args:
        values: a series of values is wanted (date and one number) instead of bars.

    Raises:
        SourceError: a needed column is missing, or two columns could be the same one.
    """
    fitting = candidates(columns)
    if values:
        fitting = {
            "date": fitting["date"], "value": fitting["value"] + fitting["close"],
            "symbol": fitting["symbol"],
        }  # fmt: skip
    matched = {ours: names[0] for ours, names in fitting.items() if names}
    for ours, first in matched.items():
        rivals = fitting[ours]
        if ours in _FIRST_COUNTS:
            rivals = [name for name in rivals if plain(name) == plain(first)]
        if len(rivals) > 1:
            raise SourceError(
                f"columns {' and '.join(rivals)} both read as {ours}; keep one, or rename the other"
            )
    if values:
        return _match_value(columns, matched)
    missing = [name for name in REQUIRED if name not in matched]
    if missing:
        hint = "; a series without open, high and low is imported with --values"
        raise SourceError(
            f"columns {', '.join(missing)} are missing (found: {', '.join(columns)}); rename "
            f"the columns{hint if 'close' in matched or len(columns) == 2 else ''}"
        )
    return {name: matched[name] for name in (*REQUIRED, *OPTIONAL) if name in matched}


def candidates(columns: Sequence[str]) -> dict[str, list[str]]:
    """By our name the columns that one of its spellings names, likeliest first."""
    return {ours: _fitting(columns, spellings) for ours, spellings in SPELLINGS.items()}


def _fitting(columns: Sequence[str], spellings: Sequence[str]) -> list[str]:
    """The columns that one of the spellings names, in the order of these."""
    return [name for spelling in spellings for name in columns if plain(name) == plain(spelling)]


def _match_value(columns: Sequence[str], matched: dict[str, str]) -> dict[str, str]:
    others = [name for name in columns if name != matched.get("date")]
    value = matched.get("value") or (others[0] if len(others) == 1 else None)
    if "date" not in matched or value is None:
        raise SourceError(
            "a series of values needs a date and a value (or close) column "
            f"(found: {', '.join(columns)}); rename the columns"
        )
    optional = {"symbol": matched["symbol"]} if "symbol" in matched else {}
    return {"date": matched["date"], "value": value} | optional


def is_read(name: str) -> bool:
    """Whether a column of this name may be one of ours."""
    return any(
        plain(name) == plain(spelling) for spellings in SPELLINGS.values() for spelling in spellings
    )


def dates(column: pl.Series, formats: Sequence[str] = DATE_FORMATS) -> pl.Series:
    """Read a column as dates, whatever it is made of.

    A format is taken when it fits every cell. Where two fit (is 03/04 March or April?) the one
    wins that puts the rows in order, and of two that do the one without weekends.

    Args:
        formats: of text, for `strptime`; a source that is known has its own.

    Raises:
        SourceError: no format fits, with the first cell that none can read; two formats that give
            other days do; a day of another age; or the column holds something else altogether.
    """
    days = _days(column, formats)
    strange = ((days < _EARLIEST) | (days > _LATEST)).fill_null(False).arg_true()
    if len(strange):
        row = strange[0]
        # Python has no date after the year 9999, and Polars panics over some of its own.
        day = days.to_physical().clip(date.min.toordinal() - _1970, date.max.toordinal() - _1970)
        written = "" if column.dtype.is_temporal() else f"{_cell_text(column, row)} means "
        raise SourceError(
            f"row {row + 1}: {written}{day.cast(pl.Date)[row]}, which is no date of a market; "
            "write dates as 2024-12-31"
        )
    return days


def texts(column: pl.Series, expected: str) -> pl.Series:
    """A column of text without blanks around it. Raises SourceError: it holds something else."""
    if column.dtype.is_integer() or column.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        return column.cast(pl.String).str.strip_chars()
    raise SourceError(f"column {column.name} holds {column.dtype}, not {expected}; convert it")


def _days(column: pl.Series, formats: Sequence[str]) -> pl.Series:
    if column.dtype == pl.Date:
        return column
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.date()  # in the column's own time zone, so a session keeps its day
    if column.dtype.is_integer() and column.len() > column.null_count():
        counts = column.cast(pl.Int64)
        digits = len(str(max(map(abs, counts.drop_nulls().to_list()))))
        if digits > _DATE_DIGITS:
            unit = next(unit for most, unit in _UNITS if digits <= most)
            milliseconds = counts * 1000 if unit == 1 else counts // (unit // 1000)
            return milliseconds.cast(pl.Datetime("ms")).dt.date()
    cells = texts(column, "dates").str.replace(_CLOCK, "")
    parsings = (cells.str.to_date(fmt, strict=False) for fmt in formats)
    fitting = [
        parsed
        for parsed in parsings
        if parsed.null_count() == cells.null_count() and not (parsed < _EARLIEST).any()
    ]
    if not fitting:
        parsed = cells.str.to_date(_likeliest(cells, formats), strict=False)
        row = (parsed.is_null() & cells.is_not_null()).arg_true()
        row = row[0] if len(row) else (parsed < _EARLIEST).arg_true()[0]
        raise SourceError(
            f"row {row + 1}: {_cell_text(column, row)} is no date; write dates as 2024-12-31"
        )
    return _likelier(fitting, column)


def _likelier(fitting: list[pl.Series], column: pl.Series) -> pl.Series:
    """Of several readings of a column the one in order, and of several in order the working days.

    Raises:
        SourceError: several are as likely.
    """
    ordered = [p for p in fitting if p.is_sorted() or p.is_sorted(descending=True)] or fitting
    weekdays = [p for p in ordered if (p.dt.weekday() < _SATURDAY).all()] or ordered
    first = weekdays[0]
    other = next((p for p in weekdays if not p.equals(first)), None)
    if other is not None:
        row = (first != other).arg_true()[0]
        raise SourceError(
            f"row {row + 1}: {_cell_text(column, row)} may be {first[row]} or {other[row]}; write "
            "dates as 2024-12-31"
        )
    return first


def _cell_text(column: pl.Series, row: int) -> str:
    return repr(str(column[row]))


def _likeliest(texts: pl.Series, formats: Sequence[str]) -> str:
    return min(formats, key=lambda f: texts.str.to_date(f, strict=False).null_count())
