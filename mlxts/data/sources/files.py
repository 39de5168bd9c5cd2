"""Files of the user's own: CSV or Parquet, with columns named as vendors name them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from mlxts import files
from mlxts.data.sources import (
    column_aliases,
    csv_table,
    date_text,
    headerless,
    number_text,
    parquet,
)
from mlxts.data.sources.base import Fetched, as_bars, requested_range, within, without_gaps
from mlxts.data.sources.number_text import Mark
from mlxts.errors import SourceError

SUFFIXES = (".csv", ".txt", ".tsv", ".parquet", ".pq")
_PARQUET = (".parquet", ".pq")
_NAMES_SHOWN = 5
_BANNER_SHOWN = 60  # characters


@dataclass(frozen=True)
class FilesSource:
    """One file, read for whatever symbol is requested.

    A file that names symbols (tickers) may hold several; the rows of the requested one are read.

    Attributes:
        path: a CSV (comma, semicolon, tab or bar) or Parquet file.
        values: read a date and one value (or close) a row instead of bars.
        decimal: the mark before the decimals; None: found in each column.
        named: which of its symbols is read; None: the requested one.
        columns: some of our names -> its columns, by name, or by position (from 1) where it has
            no header; empty text: the file has none. The others are found by their spelling.
    """

    path: Path
    values: bool = False
    decimal: Mark | None = None
    named: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    name = "files"

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """The file's rows, oldest first, unchanged but for names and types.

        Raises:
            SourceError: no such file, not a table, columns missing, a cell that is no number or
                date, numbers that can be read in two ways, another symbol, or no row left.
        """
        table = self._read()
        named_symbol = self.named or symbol
        try:
            columns, notes = self._columns(table, named_symbol)
            theirs = columns.pop("symbol", None)
            is_file_name = self.named is None and symbol.upper() == self.path.stem.upper()
            rows = _of_symbol(table.rows, theirs, named_symbol, is_file_name)
            dates = date_text.read(rows[columns["date"]])
            cells = [rows[name].alias(ours) for ours, name in columns.items()]
            read = number_text.read(
                [cell for cell in cells if cell.name != "date"],
                self.decimal, likely=table.likely, counts=("volume",),
            )  # fmt: skip
        except (SourceError, pl.exceptions.PolarsError) as error:
            raise SourceError(f"{self.path}: {' '.join(str(error).split())}") from error
        if dates.epochs:
            notes += (f"dates are days in UTC, from {' and '.join(dates.epochs)} since 1970",)
        frame, turned = _oldest_first(pl.DataFrame([dates.days.alias("date"), *read.columns]))
        notes += turned
        if read.with_comma and self.decimal is None:
            notes += (f"read with a decimal comma: {', '.join(read.with_comma)}",)
        if self.values:
            frame, left_out = without_gaps(frame)
            notes += left_out
        else:
            frame = as_bars(frame)
        frame = within(frame, start, end, subject=str(self.path))
        described = {"file": self.path.name, "sha256": files.digest(self.path), "columns": columns}
        if theirs and named_symbol.upper() != symbol.upper():
            described["named"] = named_symbol
            notes += (f"this is what the file calls {named_symbol}",)
        return Fetched(frame, described | requested_range(start, end), notes)

    @property
    def symbol(self) -> str:
        """The symbol where none is given: the file's only one, else the file's name."""
        return self.named or self._only() or self.path.stem

    def _only(self) -> str | None:
        """The symbol that the file names, where it names one and no other."""
        try:
            table = self._read()
            column = self._columns(table, "")[0].get("symbol")
            names = _names(table.rows[column]) if column else ()
        except SourceError:
            return None  # `fetch` raises the error
        return names[0] if len(names) == 1 else None

    def _columns(self, table: "_Table", symbol: str) -> tuple[dict[str, str], tuple[str, ...]]:
        """Our names -> the file's columns, and what has to be said of that."""
        rows, notes = table.rows, table.notes
        named = {ours: theirs.strip() for ours, theirs in self.columns.items()}
        if not table.has_header and "date" not in named:
            shape, columns = headerless.recognise(rows, values=self.values)
            positions = ", ".join(f"{ours}={theirs}" for ours, theirs in columns.items())
            notes += (f"it has no header; by its shape read as {shape} ({positions})",)
            named = columns | named
        columns = column_aliases.match(rows.columns, values=self.values, named=named)
        if "symbol" not in columns | named and (found := _symbol_column(rows, columns)):
            columns["symbol"] = found
        if self.values or "volume" in columns | named:
            return columns, notes
        theirs = columns.get("symbol")
        first = str(rows[theirs].drop_nulls().first()) if theirs else symbol
        if volume := column_aliases.volume_in_units(rows.columns, first):
            return columns | {"volume": volume}, (*notes, f"the volume is read from {volume}")
        listed = ", ".join(rows.columns)
        text = (
            f"no volume among its columns ({listed}); features of the volume are not available "
            "for it, unless you name it with --columns volume=..."
        )
        return columns, (*notes, text)

    def _read(self) -> "_Table":
        """The file as written."""
        if self.path.suffix.lower() not in SUFFIXES:
            raise SourceError(f"{self.path} is neither CSV nor Parquet; convert it to one of them")
        try:
            if self.path.suffix.lower() in _PARQUET:
                table = _Table(parquet.read(files.read_bytes(self.path)))
            else:
                csv = csv_table.read(self.path)
                banner = " ".join(csv.banner)[:_BANNER_SHOWN]
                table = _Table(
                    csv.rows,
                    # Where cells end with a comma, a decimal one needs quotes around each fraction.
                    likely="." if csv.separator == "," else None,
                    has_header=csv.has_header,
                    notes=(f"beside the table stands, not read: {banner}",) if banner else (),
                )
        except FileNotFoundError as error:
            raise SourceError(f"no file at {self.path}; check the path") from error
        except (OSError, SourceError, pl.exceptions.PolarsError) as error:
            reason = files.reason(error)[:200]
            raise SourceError(f"{self.path} cannot be read as a table: {reason}") from error
        if table.rows.is_empty():
            raise SourceError(f"{self.path} has no rows; choose a file with data")
        return table


@dataclass(frozen=True)
class _Table:
    """A file as written: its rows, the likely decimal mark, and what stands beside them."""

    rows: pl.DataFrame
    likely: Mark | None = None
    has_header: bool = True
    notes: tuple[str, ...] = ()


def _symbol_column(rows: pl.DataFrame, columns: Mapping[str, str]) -> str | None:
    """Where dates repeat, the one column of words that tells the rows of a date apart."""
    day = columns["date"]
    if not rows[day].is_duplicated().any():
        return None
    words = [
        name
        for name, dtype in rows.schema.items()
        if name not in columns.values()
        and dtype in (pl.String, pl.Categorical, pl.Enum)
        and rows[name].cast(pl.String).str.contains("[A-Za-z]").all()
        and not rows.select(day, name).is_duplicated().any()
    ]
    return words[0] if len(words) == 1 else None


def _of_symbol(
    table: pl.DataFrame, column: str | None, symbol: str, is_file_name: bool
) -> pl.DataFrame:
    if column is None:
        return table
    names = date_text.texts(table[column], "symbols").str.to_uppercase()
    rows = table.filter(names == symbol.upper())
    if rows.is_empty():
        symbols = _names(table[column])
        listed = ", ".join(symbols[:_NAMES_SHOWN]) + (", …" if len(symbols) > _NAMES_SHOWN else "")
        if is_file_name:
            raise SourceError(f"its {column} column has {listed}; choose one with --symbol")
        raise SourceError(
            f"no row of {symbol} (its {column} column has {listed}); choose one of these with "
            f"--symbol, and --as {symbol} to store it under that name"
        )
    return rows


def _names(column: pl.Series) -> tuple[str, ...]:
    return tuple(date_text.texts(column, "symbols").drop_nulls().unique().sort())


def _oldest_first(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Turn a file that runs from new to old; any other disorder is left for the checks to name."""
    days = frame["date"].drop_nulls()
    if days.len() > 1 and days[0] > days[-1] and days.is_sorted(descending=True):
        return frame.reverse(), ("the dates are descending; rows were re-sorted ascending",)
    return frame, ()
