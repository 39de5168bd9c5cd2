"""Google Trends, from the CSV that its page exports. There is no stable way to ask for it.

The numbers are shares of the highest value *in that request*: another request gives others, and
the scale knows the future. Features therefore compare the series with its own past only.
"""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from mlxts import files
from mlxts.data.sources import date_text, number_text
from mlxts.data.sources.base import Fetched, requested_range, within, without_gaps
from mlxts.errors import SourceError

PREFIX = "GT_"
BELOW_ONE = 0.5  # what `<1` is read as

_PERIODS = ("day", "week", "month")
_WEEK = timedelta(days=7)


def symbol_of(term: str) -> str:
    """`stock market crash: (United States)` -> `GT_STOCK_MARKET_CRASH`."""
    words = re.sub(r":\s*\([^)]*\)\s*$", "", term)
    return PREFIX + re.sub(r"[^A-Z0-9]+", "_", words.upper()).strip("_")


@dataclass(frozen=True)
class TrendsSource:
    """One exported file (multiTimeline.csv), of one search term or several.

    Attributes:
        path: the file.
        today: the day on which it counts as read; a period that has not ended by then is left out.
    """

    path: Path
    today: Callable[[], date] = lambda: datetime.now(UTC).date()

    name = "trends_csv"

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """The term named `symbol`, each value dated at the *last* day of its day, week or month.

        Raises:
            SourceError: no such file, no export, or not with this term.
        """
        period, table = self._table()
        by_symbol = {symbol_of(name): name for name in table.columns[1:]}
        if symbol not in by_symbol:
            raise SourceError(
                f"{self.path} holds {', '.join(by_symbol)}, not {symbol}; give one of them as "
                "--symbol"
            )
        term = by_symbol[symbol]
        try:
            days = date_text.dates(_first_of_month(table.to_series(0)))
            values = number_text.numbers(table[term].replace("<1", str(BELOW_ONE)), ".")
        except SourceError as error:
            raise SourceError(f"{self.path}: {error}") from error
        frame = pl.DataFrame({"date": [_last(d, period) for d in days], "value": values})
        frame, notes = without_gaps(frame)
        ended = frame.filter(pl.col("date") < self.today())
        if ended.height < frame.height:
            notes += (f"the last {period} had not ended and was left out",)
        request = {"file": self.path.name, "sha256": files.digest(self.path), "term": term}
        request |= {"period": period, "dated": "last day of the period"}
        rows = within(ended, start, end, subject=str(self.path))
        return Fetched(rows, request | requested_range(start, end), notes)

    def symbols(self) -> tuple[str, ...]:
        """The names of the file's terms. Raises SourceError."""
        return tuple(symbol_of(name) for name in self._table()[1].columns[1:])

    def _table(self) -> tuple[str, pl.DataFrame]:
        """The period (day, week or month) and the table below the export's two title lines."""
        try:
            lines = files.read_text(self.path, encoding="utf-8-sig").splitlines()
        except FileNotFoundError as error:
            raise SourceError(f"no file at {self.path}; check the path") from error
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{self.path} cannot be read: {files.reason(error)}") from error
        for number, line in enumerate(lines):
            period = line.split(",")[0].strip().strip('"').lower()
            if period in _PERIODS and "," in line:
                body = "\n".join(text for text in lines[number:] if text.strip())
                try:
                    table = pl.read_csv(body.encode(), infer_schema=False, has_header=False)
                except pl.exceptions.PolarsError as error:
                    reason = " ".join(str(error).split())[:120]
                    raise SourceError(f"{self.path} is no table: {reason}") from error
                return period, self._named(table)
        raise SourceError(
            f"{self.path} has no header starting with Day, Week or Month; export it from the "
            "Interest over time chart of Google Trends"
        )

    def _named(self, table: pl.DataFrame) -> pl.DataFrame:
        """With the terms of the first row as names. Raises SourceError: two are one symbol."""
        terms = [str(cell) for cell in table.row(0)[1:]]
        symbols = [symbol_of(term) for term in terms]
        twice = next((name for name in symbols if symbols.count(name) > 1), None)
        if twice:
            raise SourceError(f"{self.path}: two terms would be named {twice}; export one alone")
        return table[1:].rename(dict(zip(table.columns[1:], terms, strict=True)))


class TrendsByHand:
    """Google Trends as a source that cannot be downloaded: raises an error with instructions."""

    name = "trends_csv"

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """Raises SourceError, always."""
        raise SourceError(
            f"{symbol} cannot be downloaded; export its Interest over time from Google Trends "
            f"and run `mlxts data import FILE --trends --symbol {symbol}`"
        )


def _first_of_month(column: pl.Series) -> pl.Series:
    """Monthly exports write 2024-01."""
    return column.str.strip_chars().str.replace(r"^(\d{4}-\d{2})$", "$1-01")


def _last(day: date | None, period: str) -> date | None:
    if day is None or period == "day":
        return day
    if period == "week":
        return day + _WEEK - timedelta(days=1)
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])
