"""A CSV file as columns of text: separators, header lines and quoting as vendors write them."""

import csv
import io
from itertools import islice
from pathlib import Path

import polars as pl

from mlxts import files
from mlxts.data.sources import column_aliases
from mlxts.errors import SourceError

SYMBOL = "Ticker"  # the column that separates the blocks of a table of several symbols

_SEPARATORS = (",", ";", "\t", "|")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read(path: Path) -> tuple[pl.DataFrame, str]:
    """The rows below the header, every cell as text (an empty one is null), and the separator.

    yfinance writes two columns a field for two symbols, with their tickers in a second header
    line: such a table is laid out row by row, with a column Ticker.

    Raises:
        OSError: it cannot be read. SourceError: it is no text or no table, two columns that matter
            have one name, or a row is longer or shorter than the header.
    """
    text = _decoded(files.read_bytes(path))
    separator = max(_SEPARATORS, key=next(filter(str.strip, text.splitlines()), "").count)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows = [row for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise SourceError(f"it is no table: {error}") from error
    if not rows:
        return pl.DataFrame(), separator
    levels = _levels(rows)
    width = len(rows[0])
    for number, row in enumerate(islice(rows, levels, None), 1):
        if len(row) != width:
            raise SourceError(
                f"row {number} has {len(row)} cells where the header has {width}; correct it"
            )
    if levels == 1:
        return _table(rows[0], rows[1:]), separator
    fields, tickers = (rows[0], rows[1]) if _first(rows[1]) == "ticker" else (rows[1], rows[0])
    blocks = []
    for ticker in dict.fromkeys(tickers[1:]):
        positions = [0, *(n for n, name in enumerate(tickers) if n and name == ticker)]
        header = ["Date", *(fields[n] for n in positions[1:]), SYMBOL]
        cells = ([row[n] for n in positions] for row in rows[3:])
        # A day without any cell is one on which only the other symbols traded.
        blocks.append(_table(header, [[*row, ticker] for row in cells if any(row[1:])]))
    return pl.concat(blocks, how="diagonal"), separator


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError("it is not UTF-8; save it as CSV UTF-8") from error


def _levels(rows: list[list[str]]) -> int:
    """How many header lines there are: one, or yfinance's three."""
    firsts = [_first(row) for row in rows[:3]]
    return 3 if "ticker" in firsts[:2] and firsts[2:] in (["date"], ["datetime"]) else 1


def _first(row: list[str]) -> str:
    return row[0].strip().lower()


def _table(header: list[str], rows: list[list[str]]) -> pl.DataFrame:
    """Columns by their names; of those that nobody reads, only the first of a name is kept."""
    columns: dict[str, pl.Series] = {}
    for position, name in enumerate(header):
        if name not in columns:
            cells = [row[position] or None for row in rows]
            columns[name] = pl.Series(name, cells, dtype=pl.String)
        elif column_aliases.is_read(name):
            raise SourceError(f"two columns are named {name}; keep one")
    return pl.DataFrame(columns)
