"""How vendors spell columns, dates and numbers, and what they mean."""

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
            "tradingdate", "pricedate", "indexlevel0", "unnamed0", "",
        ),
        "open": ("open", "openprice", "opening", "o"),
        "high": ("high", "highprice", "max", "h"),
        "low": ("low", "lowprice", "min", "l"),
        "close": ("close", "closelast", "closeprice", "closing", "last", "price", "c"),
        "volume": ("volume", "vol", "totalvolume", "sharevolume", "v"),
        "adj_close": (
            "adjclose", "adjustedclose", "adjcloseprice", "closeadj", "closeadjusted", "adj",
        ),
        "dividends": ("dividends", "dividend", "dividendamount", "divcash", "exdividend"),
        "splits": (
            "splits", "stocksplits", "split", "splitcoefficient", "splitfactor", "splitratio",
        ),
        "symbol": ("symbol", "ticker"),
        "value": ("value",),
    }
)  # fmt: skip
REQUIRED = ("date", "open", "high", "low", "close", "volume")
OPTIONAL = ("adj_close", "dividends", "splits", "symbol")

DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y",
    "%d-%m-%Y", "%m/%d/%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
_DATE_DIGITS = 8  # a longer whole number counts the time since 1970, in s (10 digits), ms, us or ns
_EARLIEST = date(1800, 1, 1)  # before it, 24 was taken for a year
_CLOCK = r"[T ]\d{1,2}:\d{2}.*$"  # a time of day and a time zone behind a date
_SCALES = MappingProxyType({"k": 1e3, "m": 1e6, "b": 1e9})
_EMPTY = ("", "-", "--", ".", "n/a", "na", "nan", "null", "none")


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
    found: dict[str, str] = {}
    for ours, spellings in SPELLINGS.items():
        for spelling in spellings:
            fitting = [name for name in columns if plain(name) == plain(spelling)]
            if len(fitting) > 1:
                raise SourceError(f"columns {' and '.join(fitting)} both read as {ours}; keep one")
            if fitting:
                found[ours] = fitting[0]
                break
    if values:
        return _match_value(columns, found)
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        hint = "; a series without open, high and low is imported with --values"
        raise SourceError(
            f"columns {', '.join(missing)} are missing (found: {', '.join(columns)}); rename "
            f"the columns{hint if 'close' in found or len(columns) == 2 else ''}"
        )
    return {name: found[name] for name in (*REQUIRED, *OPTIONAL) if name in found}


def _match_value(columns: Sequence[str], found: dict[str, str]) -> dict[str, str]:
    others = [name for name in columns if name != found.get("date")]
    value = found.get("value") or found.get("close") or (others[0] if len(others) == 1 else None)
    if "date" not in found or value is None:
        raise SourceError(
            "a series of values needs a date and a value (or close) column "
            f"(found: {', '.join(columns)}); rename the columns"
        )
    optional = {"symbol": found["symbol"]} if "symbol" in found else {}
    return {"date": found["date"], "value": value} | optional


def dates(column: pl.Series) -> pl.Series:
    """Read a column as dates, whatever it is made of.

    A format is taken when it fits every cell. Where two fit (is 03/04 March or April?) the one
    wins that puts the rows in order.

    Raises:
        SourceError: no format fits; the first cell that none can read is named.
    """
    if column.dtype == pl.Date:
        return column
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.date()  # in the column's own time zone, so a session keeps its day
    if column.dtype.is_integer() and column.len() > column.null_count():
        digits = len(str(column.cast(pl.Int64).abs().max()))
        if digits > _DATE_DIGITS:
            seconds = column.cast(pl.Int64) // 10 ** max(digits - 10, 0)
            return (seconds * 1000).cast(pl.Datetime("ms")).dt.date()
    texts = column.cast(pl.String).str.strip_chars().str.replace(_CLOCK, "")
    parsings = (texts.str.to_date(fmt, strict=False) for fmt in DATE_FORMATS)
    fitting = [
        parsed
        for parsed in parsings
        if parsed.null_count() == texts.null_count() and not (parsed < _EARLIEST).any()
    ]
    if not fitting:
        parsed = texts.str.to_date(_likeliest(texts), strict=False)
        row = (parsed.is_null() & texts.is_not_null()).arg_true()[0]
        raise SourceError(f"row {row + 1}: {column[row]!r} is no date; write dates as 2024-12-31")
    in_order = (p for p in fitting if p.is_sorted() or p.is_sorted(descending=True))
    return next(in_order, fitting[0])


def _likeliest(texts: pl.Series) -> str:
    return min(DATE_FORMATS, key=lambda f: texts.str.to_date(f, strict=False).null_count())


def numbers(column: pl.Series) -> pl.Series:
    """Read a column as numbers: `$1,234.50`, `85.57M`, `(3.2)`; an empty cell becomes null.

    Raises:
        SourceError: a cell is no number; it is named.
    """
    if column.dtype.is_numeric():
        return column.cast(pl.Float64)
    if column.dtype == pl.Null:
        return column.cast(pl.Float64)
    texts = column.cast(pl.String).str.strip_chars().str.to_lowercase()
    texts = texts.str.replace_all(r"[$€£,\s]", "").str.replace(r"^\((.*)\)$", "-$1")
    texts = pl.select(pl.when(texts.is_in(_EMPTY)).then(None).otherwise(texts)).to_series()
    suffix = texts.str.extract(r"\d([kmb])$").replace_strict(_SCALES, default=1.0)
    parsed = texts.str.replace(r"(\d)[kmb]$", "$1").cast(pl.Float64, strict=False) * suffix
    wrong = (parsed.is_null() & texts.is_not_null()).arg_true()
    if len(wrong):
        row = wrong[0]
        raise SourceError(f"row {row + 1}: {column.name} {column[row]!r} is no number; correct it")
    return parsed.alias(column.name)
