"""Files of the user's own: CSV or Parquet, with columns named as vendors name them."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from mlxts import files
from mlxts.data.sources import column_aliases, csv_table, number_text, parquet
from mlxts.data.sources.base import Fetched, as_bars, requested_range, within, without_gaps
from mlxts.data.sources.number_text import Mark
from mlxts.errors import SourceError

SUFFIXES = (".csv", ".txt", ".tsv", ".parquet", ".pq")
_PARQUET = (".parquet", ".pq")
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class FilesSource:
    """One file, read for whatever symbol is requested.

    A file that names symbols (tickers) may hold several; the rows of the requested one are read.

    Attributes:
        path: a CSV (comma, semicolon, tab or bar) or Parquet file.
        values: read a date and one value (or close) a row instead of bars.
        decimal: the mark before the decimals; None: found in each column.
        named: which of its symbols is read; None: the requested one.
    """

    path: Path
    values: bool = False
    decimal: Mark | None = None
    named: str | None = None

    name = "files"

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """The file's rows, oldest first, unchanged but for names and types.

        Raises:
            SourceError: no such file, not a table, columns missing, a cell that is no number or
                date, numbers that can be read in two ways, another symbol, or no row left.
        """
        table, likely = self._read()
        try:
            columns = column_aliases.match(table.columns, values=self.values)
            theirs = columns.pop("symbol", None)
            named_symbol = self.named or symbol
            table = _of_symbol(table, theirs, named_symbol)
            days = column_aliases.dates(table[columns["date"]]).alias("date")
            cells = [table[name].alias(ours) for ours, name in columns.items()]
            read = number_text.read(
                [cell for cell in cells if cell.name != "date"],
                self.decimal, likely=likely, counts=("volume",),
            )  # fmt: skip
        except (SourceError, pl.exceptions.PolarsError) as error:
            raise SourceError(f"{self.path}: {' '.join(str(error).split())}") from error
        frame, notes = _oldest_first(pl.DataFrame([days, *read.columns]))
        if read.with_comma and self.decimal is None:
            notes += (f"read with a decimal comma: {', '.join(read.with_comma)}",)
        if self.values:
            frame, left_out = without_gaps(frame)
            notes += left_out
        else:
            frame = as_bars(frame)
        rows = within(frame, start, end, subject=str(self.path))
        described = {"file": self.path.name, "sha256": files.digest(self.path), "columns": columns}
        if theirs and named_symbol.upper() != symbol.upper():
            described["named"] = named_symbol
            notes += (f"this is what the file calls {named_symbol}",)
        return Fetched(rows, described | requested_range(start, end), notes)

    @property
    def symbol(self) -> str:
        """The symbol where none is given: the file's only one, else the file's name."""
        return self.named or self._only() or self.path.stem

    def _only(self) -> str | None:
        """The symbol that the file names, where it names one and no other."""
        try:
            table, _ = self._read()
            column = column_aliases.match(table.columns, values=self.values).get("symbol")
            names = _names(table[column]) if column else ()
        except SourceError:
            return None  # `fetch` raises the error
        return names[0] if len(names) == 1 else None

    def _read(self) -> tuple[pl.DataFrame, Mark | None]:
        """The file as written, and its likely decimal mark."""
        if self.path.suffix.lower() not in SUFFIXES:
            raise SourceError(f"{self.path} is neither CSV nor Parquet; convert it to one of them")
        likely: Mark | None = None
        try:
            if self.path.suffix.lower() in _PARQUET:
                table = parquet.read(files.read_bytes(self.path))
            else:
                table, separator = csv_table.read(self.path)
                # Where cells end with a comma, a decimal one needs quotes around every fraction.
                likely = "." if separator == "," else None
        except FileNotFoundError as error:
            raise SourceError(f"no file at {self.path}; check the path") from error
        except (OSError, SourceError, pl.exceptions.PolarsError) as error:
            reason = files.reason(error)[:200]
            raise SourceError(f"{self.path} cannot be read as a table: {reason}") from error
        if table.is_empty():
            raise SourceError(f"{self.path} has no rows; choose a file with data")
        return table, likely


def _of_symbol(table: pl.DataFrame, column: str | None, symbol: str) -> pl.DataFrame:
    if column is None:
        return table
    names = column_aliases.texts(table[column], "symbols").str.to_uppercase()
    rows = table.filter(names == symbol.upper())
    if rows.is_empty():
        symbols = _names(table[column])
        listed = ", ".join(symbols[:_NAMES_SHOWN]) + (", …" if len(symbols) > _NAMES_SHOWN else "")
        raise SourceError(
            f"no row of {symbol} (its {column} column has {listed}); use --symbol, and --as to "
            "store it under another name"
        )
    return rows


def _names(column: pl.Series) -> tuple[str, ...]:
    return tuple(column_aliases.texts(column, "symbols").drop_nulls().unique().sort())


def _oldest_first(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Turn a file that runs from new to old; any other disorder is left for the checks to name."""
    days = frame["date"].drop_nulls()
    if days.len() > 1 and days[0] > days[-1] and days.is_sorted(descending=True):
        return frame.reverse(), ("the dates are descending; rows were re-sorted ascending",)
    return frame, ()
