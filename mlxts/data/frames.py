"""Data frames of the caller's, of whatever library, read as bars by the rules of an import.

Polars (eager and lazy), pandas (dates in the index, yfinance's two header levels), PyArrow and
whatever else narwhals knows; columns are found by the spellings that `mlxts data import` accepts.
"""

import warnings
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import polars as pl

from mlxts.data import checks, panel, store
from mlxts.data.artifacts import Artifact
from mlxts.data.sources import column_aliases, number_text
from mlxts.data.sources.base import as_bars
from mlxts.errors import DataError, SourceError

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoFrame

UNNAMED = "ASSET"  # the symbol of a frame that names none
SOURCE = "files"  # what a frame is stored as: data of the user's own
_NAMES_SHOWN = 8


def to_polars(frame: "IntoFrame") -> pl.DataFrame:
    """A frame of any library as one of Polars; an index that holds something is a column first.

    Raises:
        DataError: it is no data frame.
    """
    try:
        nw.from_native(frame)
    except TypeError as error:
        raise DataError(
            f"data is a {type(frame).__name__}; give a data frame of Polars, pandas or PyArrow"
        ) from error
    try:
        table = nw.from_native(_without_index(frame))
        return (table.collect() if isinstance(table, nw.LazyFrame) else table).to_polars()
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"the frame cannot be read ({reason}); give each column one type"
        ) from error


def _without_index(frame: Any) -> Any:
    """A pandas frame whose index and header levels are columns; others as they are."""
    if not nw.dependencies.is_pandas_dataframe(frame):
        return frame
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


def holds_bars(columns: Collection[str]) -> bool:
    """Whether a frame of these columns is meant as bars: dates, and a close at least."""
    candidates = column_aliases.candidates(list(columns))
    return bool(candidates["date"] and candidates["close"])


def read_rows(frame: "IntoFrame", symbol: str | None = None) -> pl.DataFrame:
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
        columns = column_aliases.match(table.columns, values=False)
        days = column_aliases.dates(table[columns.pop("date")]).alias("date")
        theirs = columns.pop("symbol", None)
        if theirs:
            symbols = column_aliases.texts(table[theirs], "symbols").str.to_uppercase()
        else:
            symbols = pl.repeat(symbol or UNNAMED, table.height, eager=True)
        cells = [table[name].alias(ours) for ours, name in columns.items()]
        numbers = number_text.read(cells, likely=".", counts=("volume",)).columns
    except (SourceError, pl.exceptions.PolarsError) as error:
        raise DataError(f"the frame's {' '.join(str(error).split())}") from error
    if symbols.null_count():
        raise DataError(f"the frame's column {theirs} has rows without a symbol; fill them in")
    return pl.DataFrame([days, symbols.alias("symbol"), *numbers])


def read_bars(frame: "IntoFrame", symbol: str | None = None) -> dict[str, pl.DataFrame]:
    """The bars of each symbol of a frame, in the columns of `BAR_SCHEMA`, sorted by date.

    Raises:
        DataError: see `read_rows`.
    """
    rows = read_rows(frame, symbol).sort("symbol", "date", maintain_order=True)
    parts = rows.partition_by("symbol", as_dict=True, maintain_order=True)
    return {str(name): as_bars(part.drop("symbol")) for (name,), part in parts.items()}


def _require_columns(columns: list[str]) -> None:
    """Raises DataError: a bar needs one more; it is spelled as the caller spells the others."""
    candidates = column_aliases.candidates(columns)
    missing = [name for name in column_aliases.REQUIRED if not candidates[name]]
    if not missing:
        return
    present = [candidates[name][0] for name in column_aliases.REQUIRED if candidates[name]]
    capitals = sum(name[:1].isupper() for name in present) > len(present) / 2
    spelled = str.title if capitals else str.lower
    shown = ", ".join(columns[:_NAMES_SHOWN]) + (", …" if len(columns) > _NAMES_SHOWN else "")
    noun = "column" if len(missing) == 1 else "columns"
    raise DataError(
        f"the frame has no {noun} {', '.join(map(spelled, missing))} (it has {shown or 'none'}); "
        "a bar needs a date, open, high, low, close and volume"
    )


def adjusted_bars(frame: "IntoFrame", symbol: str | None = None) -> pl.DataFrame:
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


def register(frame: "IntoFrame", symbol: str | None = None) -> Mapping[str, Artifact]:
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
