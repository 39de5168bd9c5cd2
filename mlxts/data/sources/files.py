"""Files of the user's own: CSV or Parquet, with columns named as vendors name them."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from mlxts import files
from mlxts.data.sources import spellings
from mlxts.data.sources.base import Fetched, as_bars, asked_range, within, without_gaps
from mlxts.errors import SourceError

SUFFIXES = (".csv", ".txt", ".tsv", ".parquet", ".pq")
_PARQUET = (".parquet", ".pq")
_SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class FilesSource:
    """One file, taken for whatever symbol is asked for.

    A file with a symbol (ticker) column may hold several; the rows of the one asked for are read.

    Attributes:
        path: a CSV (comma, semicolon, tab or bar) or Parquet file.
        values: read a date and one value (or close) a row instead of bars.
    """

    path: Path
    values: bool = False

    name = "files"

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """The file's rows, oldest first, unchanged but for names and types.

        Raises:
            SourceError: no such file, not a table, columns missing, a cell that is no number or
                date, or no row left.
        """
        table = read_table(self.path)
        try:
            columns = spellings.match(table.columns, values=self.values)
            table = _of_symbol(table, columns.pop("symbol", None), symbol)
            series = [spellings.dates(table[columns["date"]]).alias("date")]
            series += [
                spellings.numbers(table[theirs]).alias(ours)
                for ours, theirs in columns.items()
                if ours != "date"
            ]
        except SourceError as error:
            raise SourceError(f"{self.path}: {error}") from error
        frame, notes = _oldest_first(pl.DataFrame(series))
        if self.values:
            frame, left_out = without_gaps(frame)
            notes += left_out
        else:
            frame = as_bars(frame)
        kept = within(frame, start, end, what=str(self.path))
        described = {"file": self.path.name, "sha256": files.digest(self.path), "columns": columns}
        return Fetched(kept, described | asked_range(start, end), notes)


def read_table(path: Path) -> pl.DataFrame:
    """A CSV or Parquet file as it stands; cells of a CSV stay text. Raises SourceError."""
    if path.suffix.lower() not in SUFFIXES:
        raise SourceError(f"{path} is neither CSV nor Parquet; convert it to one of them")
    try:
        if path.suffix.lower() in _PARQUET:
            table = pl.read_parquet(path)
        else:
            table = _read_csv(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SourceError(f"no file at {path}; check the path") from error
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SourceError(f"{path} cannot be read as a table: {reason}") from error
    if table.is_empty():
        raise SourceError(f"{path} has no rows; choose a file with data")
    return table


def _read_csv(text: str) -> pl.DataFrame:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return pl.DataFrame()
    separator = max(_SEPARATORS, key=lines[0].count)
    # yfinance writes two more header lines, the tickers and the name of the date column.
    first_cells = [line.split(separator)[0].strip() for line in lines[:3]]
    if first_cells[1:] == ["Ticker", "Date"]:
        lines = [lines[0].replace(first_cells[0], "Date", 1), *lines[3:]]
    return pl.read_csv(
        "\n".join(lines).encode(),
        separator=separator,
        infer_schema=False,
        truncate_ragged_lines=False,
    )


def _of_symbol(table: pl.DataFrame, column: str | None, symbol: str) -> pl.DataFrame:
    if column is None:
        return table
    rows = table.filter(
        pl.col(column).cast(pl.String).str.strip_chars().str.to_uppercase() == symbol
    )
    if rows.is_empty():
        known = table[column].cast(pl.String).unique().sort().to_list()
        shown = ", ".join(str(name) for name in known[:5]) + (", …" if len(known) > 5 else "")
        raise SourceError(f"no row of {symbol} (its {column} column has {shown}); use --symbol")
    return rows


def _oldest_first(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Turn a file that runs from new to old; any other disorder is left for the checks to name."""
    days = frame["date"].drop_nulls()
    if days.len() > 1 and days[0] > days[-1] and days.is_sorted(descending=True):
        return frame.reverse(), ("the file runs from new to old; its rows were turned around",)
    return frame, ()
