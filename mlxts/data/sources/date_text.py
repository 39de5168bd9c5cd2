"""Dates as people and vendors write them: text in one format, or a count of the time since 1970."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from mlxts.errors import SourceError

DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y",
    "%d-%m-%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%y/%m/%d", "%y.%m.%d", "%d-%b-%Y",
    "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
_WITH_CLOCK = ("%Y%m%d%H%M", "%Y%m%d%H%M%S")
# Of a count of the time since 1970: name, units in a millisecond, at most so many digits.
EPOCHS = (
    ("seconds", 1e-3, 10), ("milliseconds", 1, 13), ("microseconds", 1e3, 16),
    ("nanoseconds", 1e6, 19),
)  # fmt: skip
# January to December, in English, German, French and Spanish: how their names begin.
_MONTHS = (
    ("jan", "ene"), ("fe",), ("mar", "mrz"), ("apr", "avr", "abr"), ("mai", "may"),
    ("jun", "juin"), ("jul", "juil"), ("aug", "aou", "ago"), ("sep",), ("okt", "oct"), ("nov",),
    ("dec", "dez", "dic"),
)  # fmt: skip
DATE_DIGITS = 8  # a longer whole number counts the time since 1970
_OF_TODAY = (10, 13, 16, 19)  # digits of a count since 2001, whichever its unit
_EARLIEST = date(1800, 1, 1)  # before it, 24 was taken for a year
_LATEST = date(2200, 1, 1)  # after it, a count was taken for one of another unit
_1970 = date(1970, 1, 1).toordinal()
_SATURDAY = 6
_CLOCK = r"([T ]\d{1,2}:\d{2}.*| \d{6})$"  # a time of day and a time zone behind a date
_COUNT = r"^-?\d{9,19}(\.\d+)?$"


@dataclass(frozen=True)
class Dates:
    """A column read as dates. `epochs`: the units that it counted the time since 1970 in."""

    days: pl.Series
    epochs: tuple[str, ...] = ()


def dates(column: pl.Series, formats: Sequence[str] = DATE_FORMATS) -> pl.Series:
    """The days of `read`."""
    return read(column, formats).days


def read(column: pl.Series, formats: Sequence[str] = DATE_FORMATS) -> Dates:
    """Read a column as dates, whatever it is made of.

    A format is taken when it fits every cell. Where two fit (is 03/04 March or April?) the one
    wins that puts the rows in order, and of two that do the one without weekends. Names of months
    may be German, French or Spanish. The unit of a count since 1970 follows from its digits; its
    days are those of UTC.

    Args:
        formats: of text, for `strptime`; a source that is known has its own.

    Raises:
        SourceError: no format fits, with the first cell that none can read; two formats that give
            other days do; a day of another age; or the column holds something else altogether.
    """
    result = _read(column, formats)
    days = result.days
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
    return result


def texts(column: pl.Series, expected: str) -> pl.Series:
    """A column of text without blanks around it. Raises SourceError: it holds something else."""
    if column.dtype.is_integer() or column.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        return column.cast(pl.String).str.strip_chars()
    raise SourceError(f"column {column.name} holds {column.dtype}, not {expected}; convert it")


def _read(column: pl.Series, formats: Sequence[str]) -> Dates:
    if column.dtype == pl.Date:
        return Dates(column)
    if isinstance(column.dtype, pl.Datetime):
        return Dates(column.dt.date())  # in its own time zone, so that a session keeps its day
    if column.dtype.is_float() and (column.drop_nulls() % 1 == 0).all():
        column = column.cast(pl.Int64)
    cells = texts(column, "dates").str.replace(_CLOCK, "")
    fitting = _fitting(cells, (*formats, *_WITH_CLOCK))
    if not fitting and (cells.str.contains(_COUNT) | cells.str.contains(r"^-?\d+$")).all():
        counted = _counted(cells)
        if counted is not None:
            return counted
    if not fitting:
        fitting = _fitting(_english(cells), formats)
    if not fitting:
        parsed = cells.str.to_date(_likeliest(cells, formats), strict=False)
        row = (parsed.is_null() & cells.is_not_null()).arg_true()
        row = row[0] if len(row) else (parsed < _EARLIEST).arg_true()[0]
        raise SourceError(
            f"row {row + 1}: {_cell_text(column, row)} is no date; write dates as 2024-12-31"
        )
    return Dates(_likelier(fitting, column))


def _fitting(cells: pl.Series, formats: Sequence[str]) -> list[pl.Series]:
    """The readings of a column under each format that fits all its cells."""
    parsings = (cells.str.to_date(fmt, strict=False) for fmt in formats)
    return [
        parsed
        for parsed in parsings
        if parsed.null_count() == cells.null_count()
        and not ((parsed < _EARLIEST) | (parsed > _LATEST)).any()
    ]


def _counted(cells: pl.Series) -> Dates | None:
    """Counts of the time since 1970; None where they are too short for that.

    One file may hold two units (Binance went from milliseconds to microseconds in 2025): where
    each cell is as long as one since 2001, each is read by its own length, else all by the longest.
    """
    whole = cells.str.replace(r"\..*$", "")
    digits = whole.str.strip_chars_start("-").str.len_chars()
    most = max(digits.drop_nulls().to_list(), default=0)
    if most <= DATE_DIGITS:
        return None
    if not digits.drop_nulls().is_in(_OF_TODAY).all():
        digits = pl.Series([most]).new_from_index(0, len(cells))
    counts = pl.Series(whole.cast(pl.Int64))
    milliseconds = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(cells))
    units = []
    shortest = 0
    for name, per_millisecond, longest in EPOCHS:
        own = (digits > shortest) & (digits <= longest)
        scaled = counts * 1000 if per_millisecond < 1 else counts // int(per_millisecond)
        if own.any():
            milliseconds = scaled.zip_with(own.fill_null(False), milliseconds)
            units.append(name)
        shortest = longest
    return Dates(milliseconds.cast(pl.Datetime("ms")).dt.date(), tuple(units))


def _english(cells: pl.Series) -> pl.Series:
    """Names of months in English, without the points of `30. Dez. 2024`."""

    def translated(cell: str) -> str:
        plain = unicodedata.normalize("NFKD", cell.casefold()).encode("ascii", "ignore").decode()
        word = re.search(r"[a-z]{3,}\.?", plain)
        number = next(
            (n for n, names in enumerate(_MONTHS, 1) if word and word[0].startswith(names)), None
        )
        if word is None or number is None:
            return cell
        name = date(1970, number, 1).strftime("%b")
        return re.sub(r"(?<=\d)\.", "", plain.replace(word[0], name))

    return pl.Series(cells.name, [cell and translated(cell) for cell in cells], dtype=pl.String)


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
