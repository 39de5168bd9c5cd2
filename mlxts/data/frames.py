"""Data frames of the caller's, of whatever library, read as bars by the rules of an import.

Polars (eager and lazy), pandas (dates in the index, yfinance's two header levels), and what streams
Arrow (PyArrow's tables, DuckDB's relations); columns are found by the spellings that `mlxts data
import` accepts. pandas is read without PyArrow, which its own stream would need.
"""

import warnings
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import numpy as np
import polars as pl

from mlxts.data import checks, panel, store
from mlxts.data.artifacts import Artifact
from mlxts.data.sources import column_aliases, date_text, number_text
from mlxts.data.sources.base import as_bars
from mlxts.errors import DataError, SourceError

UNNAMED = "ASSET"  # the symbol of a frame that names none
SOURCE = "files"  # what a frame is stored as: data of the user's own
_NEEDED = (*column_aliases.BARS, "volume")
_NAMES_SHOWN = 8


class ArrowStream(Protocol):
    """A table of a library that streams Arrow, as Polars, pandas and PyArrow do."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


Frame = ArrowStream | pl.LazyFrame


def is_frame(value: Any) -> bool:
    """Whether it is a data frame that can be read."""
    return isinstance(value, pl.LazyFrame) or hasattr(value, "__arrow_c_stream__")


def to_polars(frame: Any) -> pl.DataFrame:
    """A frame of any library as one of Polars; an index that holds something is a column first.

    Raises:
        DataError: it is no data frame, or holds what Polars cannot.
    """
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if not is_frame(frame):
        raise DataError(
            f"data is a {type(frame).__name__}; give a data frame of Polars, pandas or PyArrow"
        )
    try:
        if type(frame).__module__.partition(".")[0] == "pandas":
            return _from_pandas(frame)
        return pl.DataFrame(frame)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"the frame cannot be read ({reason}); give each column one type"
        ) from error


def _from_pandas(frame: Any) -> pl.DataFrame:
    if frame.ndim != 2:
        raise TypeError(f"a {type(frame).__name__} is one column")
    frame = _without_index(frame)
    return pl.DataFrame([_column(frame.iloc[:, n], str(c)) for n, c in enumerate(frame.columns)])


def _without_index(frame: Any) -> Any:
    """A frame of pandas whose index and header levels are columns."""
    if frame.columns.nlevels == 2:  # yfinance: a column for each field of each ticker
        level = "Ticker" if "Ticker" in frame.columns.names else 1
        frame = frame.stack(level=level, future_stack=True).rename_axis(columns=None)
        frame.index = frame.index.set_names("Ticker", level=-1)
    index = frame.index
    if index.nlevels == 1 and index.name is None:
        if index.dtype.kind in "iu":  # numbers of rows
            return frame
        frame = frame.rename_axis(index="date")
    return frame.reset_index()


def _column(series: Any, name: str) -> pl.Series:
    kind = getattr(series.dtype, "kind", "O")
    if kind in "iuf":
        return pl.Series(name, series.to_numpy(dtype=np.float64, na_value=np.nan), nan_to_null=True)
    if kind == "M":
        if getattr(series.dtype, "tz", None) is not None:
            series = series.dt.tz_localize(None)  # a session keeps its day
        return pl.Series(name, series.to_numpy())
    known = series.notna()
    cells = series.astype(object)
    return pl.Series(name, [c if k else None for c, k in zip(cells, known, strict=True)])


def holds_bars(columns: Collection[str]) -> bool:
    """Whether a frame of these columns is meant as bars: dates, and a close at least."""
    return all(_fitting(list(columns), name) for name in ("date", "close"))


def _fitting(columns: list[str], name: str) -> list[str]:
    """The columns that may be ours of this name; Nixtla's `y` is a close."""
    fitting = column_aliases.candidates(columns, name)
    return fitting or [c for c in columns if (name, c) == ("close", "y")]


def read_rows(frame: Frame, symbol: str | None = None) -> pl.DataFrame:
    """A frame's rows in its own order: date, symbol, then its columns of a bar by our names.

    Args:
        frame: a row for each day of a symbol, in any order; columns named as vendors do.
        symbol: of a frame without a column of symbols; None: `UNNAMED`.

    Raises:
        DataError: a column is missing, or holds no dates or numbers.
    """
    table = to_polars(frame)
    _require_columns(table.columns)
    try:
        close = _fitting(table.columns, "close")
        named = {"close": "y"} if close == ["y"] else {}
        columns = column_aliases.match(table.columns, values=False, named=named)
        days = date_text.dates(table[columns.pop("date")]).alias("date")
        theirs = columns.pop("symbol", None)
        if theirs:
            symbols = date_text.texts(table[theirs], "symbols").str.to_uppercase()
        else:
            symbols = pl.repeat(symbol or UNNAMED, table.height, eager=True)
        cells = [table[name].alias(ours) for ours, name in columns.items()]
        numbers = number_text.read(cells, likely=".", counts=("volume",)).columns
    except (SourceError, pl.exceptions.PolarsError) as error:
        raise DataError(f"the frame's {' '.join(str(error).split())}") from error
    if symbols.null_count():
        raise DataError(f"the frame's column {theirs} has rows without a symbol; fill them in")
    return pl.DataFrame([days, symbols.alias("symbol"), *numbers])


def read_bars(frame: Frame, symbol: str | None = None) -> dict[str, pl.DataFrame]:
    """The bars of each symbol of a frame, in the columns of `BAR_SCHEMA`, sorted by date.

    Raises:
        DataError: see `read_rows`.
    """
    rows = read_rows(frame, symbol).sort("symbol", "date", maintain_order=True)
    parts = rows.partition_by("symbol", as_dict=True, maintain_order=True)
    return {str(name): as_bars(part.drop("symbol")) for (name,), part in parts.items()}


def _require_columns(columns: list[str]) -> None:
    """Raises DataError: a bar needs one more; it is spelled as the caller spells the others."""
    fitting = {name: _fitting(columns, name) for name in _NEEDED}
    missing = [name for name, theirs in fitting.items() if not theirs]
    if not missing:
        return
    present = [theirs[0] for theirs in fitting.values() if theirs]
    capitals = sum(name[:1].isupper() for name in present) > len(present) / 2
    spelled = str.title if capitals else str.lower
    shown = ", ".join(columns[:_NAMES_SHOWN]) + (", …" if len(columns) > _NAMES_SHOWN else "")
    noun = "column" if len(missing) == 1 else "columns"
    raise DataError(
        f"the frame has no {noun} {', '.join(map(spelled, missing))} (it has {shown or 'none'}); "
        "a bar needs a date, open, high, low, close and volume"
    )


def adjusted_bars(frame: Frame, symbol: str | None = None) -> pl.DataFrame:
    """A frame's bars with adjusted prices, checked: date, symbol, open, high, low, close, volume.

    Raises:
        DataError: see `read_rows`; or bars that cannot be true (`checks.check`).
    """
    adjusted = []
    for name, bars in read_bars(frame, symbol).items():
        if wrong := checks.errors(checks.check(bars)):
            raise DataError(f"bars of {name}: {wrong[0]}; correct the data and try again")
        named_bars = bars.with_columns(symbol=pl.lit(name))
        adjusted.append(panel.adjust(named_bars).select("date", "symbol", *panel.PRICES, "volume"))
    return pl.concat(adjusted)


def register(frame: Frame, symbol: str | None = None) -> Mapping[str, Artifact]:
    """Store a frame's bars in the workspace, as `mlxts data import` stores a file's.

    The same bars twice are one artifact. Findings that do not refuse them are warned of.

    Returns:
        By symbol, sorted.

    Raises:
        DataError: see `read_rows` and `checks.require`.
        StorageError: the workspace cannot be written.
    """
    artifacts = {}
    for name, bars in read_bars(frame, symbol).items():
        parameters = {"frame": f"{type(frame).__module__.split('.')[0]}.{type(frame).__name__}"}
        artifact = store.register_raw(bars, source=SOURCE, symbol=name, parameters=parameters)
        if findings := checks.warnings(checks.check(bars)):
            warnings.warn(f"bars of {name}: {checks.summary(findings)}", stacklevel=4)
        artifacts[name] = artifact
    return artifacts
