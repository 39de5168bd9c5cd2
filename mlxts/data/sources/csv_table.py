"""A CSV file as columns of text: separators, header lines and quoting as vendors write them."""

import csv
import io
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path

import polars as pl

from mlxts import files
from mlxts.data.sources import column_aliases
from mlxts.errors import SourceError

SYMBOL = "Ticker"  # the column that separates the blocks of a table of several symbols

_SEPARATORS = (";", "\t", "|", ",")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SAMPLE = 20  # lines that the separator is found from
_BANNER = 10  # lines above the header, at most
_WORDS = re.compile(r"[A-Za-z]{2,}.* .*[A-Za-z]{2,}")
_NUMBER = re.compile(r"[-+]?[0-9.,]*[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class CsvTable:
    """What a file holds.

    Attributes:
        rows: below the header, every cell as text (an empty one is null). Columns of a file
            without a header are named by their positions, from 1.
        separator: between cells.
        banner: lines above the header and below the table, which are not read.
        has_header: whether columns have names, and not numbers.
    """

    rows: pl.DataFrame
    separator: str
    banner: tuple[str, ...] = ()
    has_header: bool = True


def read(path: Path) -> CsvTable:
    """The table in a file.

    yfinance writes two columns a field for two symbols, with their tickers in a second header
    line: such a table is laid out row by row, with a column Ticker.

    Raises:
        OSError: it cannot be read. SourceError: it is no text or no table, two columns that matter
            have one name, or a row is longer or shorter than the header.
    """
    text = _decoded(files.read_bytes(path))
    separator = _separator(text)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows = [row for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise SourceError(f"it is no table: {error}") from error
    above = _banner(rows)
    below = len(rows) - _footer(rows)
    beside = [*rows[:above], *rows[below:]]
    banner = tuple(separator.join(filter(str.strip, row)) for row in beside)
    rows = rows[above:below]
    if not rows:
        return CsvTable(pl.DataFrame(), separator)
    if _is_headerless(rows[0]):
        rows = [[str(n) for n in range(1, len(rows[0]) + 1)], *rows]
        _require_width(rows, 1)
        return CsvTable(_table(rows[0], rows[1:]), separator, banner, has_header=False)
    levels = _levels(rows)
    _require_width(rows, levels)
    if levels == 1:
        has_header = not _is_numbered(rows[0])
        return CsvTable(_table(rows[0], rows[1:]), separator, banner, has_header)
    fields, tickers = (rows[0], rows[1]) if _first(rows[1]) == "ticker" else (rows[1], rows[0])
    blocks = []
    for ticker in dict.fromkeys(tickers[1:]):
        positions = [0, *(n for n, name in enumerate(tickers) if n and name == ticker)]
        header = ["Date", *(fields[n] for n in positions[1:]), SYMBOL]
        cells = ([row[n] for n in positions] for row in rows[3:])
        # A day without any cell is one on which only the other symbols traded.
        blocks.append(_table(header, [[*row, ticker] for row in cells if any(row[1:])]))
    return CsvTable(pl.concat(blocks, how="diagonal"), separator, banner)


def _decoded(data: bytes) -> str:
    encodings = ("utf-16",) if data.startswith(_UTF_16) else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            if "\0" not in text:
                return text
    raise SourceError("it is neither UTF-8 nor Windows-1252; save it as CSV UTF-8")


def _separator(text: str) -> str:
    """The one that the most lines have equally often; of several, a comma may mark decimals."""
    lines = islice(filter(str.strip, text.splitlines()), _SAMPLE)
    unquoted = [re.sub('"[^"]*"', "", line) for line in lines]

    def evenness(separator: str) -> tuple[int, int]:
        counts = Counter(line.count(separator) for line in unquoted)
        del counts[0]
        count, n_lines = max(counts.items(), key=lambda item: item[::-1], default=(0, 0))
        return n_lines, count

    return max(_SEPARATORS, key=lambda mark: (evenness(mark)[0], mark != ",", evenness(mark)[1]))


def _banner(rows: list[list[str]]) -> int:
    """How many lines stand above the table: narrower than it, and no header."""
    if not rows:
        return 0
    width = Counter(map(len, rows)).most_common(1)[0][0]
    for number, row in enumerate(rows[:_BANNER]):
        cells = [cell for cell in row if cell.strip()]
        if len(cells) >= width or sum(map(column_aliases.is_read, cells)) > 1:
            return number
    return 0


def _footer(rows: list[list[str]]) -> int:
    """How many lines below the table are words in a single cell, as of who made it."""
    texts = [[cell for cell in row if cell.strip()] for row in rows[:0:-1]]
    width = max(map(len, rows), default=0)
    is_words = (len(cells) == 1 < width and _WORDS.search(cells[0]) for cells in texts)
    return sum(1 for _ in takewhile(bool, is_words))


def _is_headerless(row: list[str]) -> bool:
    """Whether the first line is one of data: it has a number, and no name of a column."""
    cells = [cell.strip() for cell in row if cell.strip()]
    return (
        not _is_numbered(row)
        and any(map(_NUMBER.fullmatch, cells))
        and not any(map(column_aliases.is_read, cells))
    )


def _is_numbered(row: list[str]) -> bool:
    """Whether the names of the columns are their numbers from 0, as pandas writes them."""
    cells = [cell for cell in row if cell.strip()]
    return cells == [str(n) for n in range(len(cells))]


def _require_width(rows: list[list[str]], levels: int) -> None:
    width = len(rows[0])
    for number, row in enumerate(islice(rows, levels, None), 1):
        if len(row) != width:
            raise SourceError(
                f"row {number} has {len(row)} cells where the header has {width}; correct it"
            )


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
        elif name.strip() and column_aliases.is_read(name):
            raise SourceError(f"two columns are named {name}; keep one")
    return pl.DataFrame(columns)
