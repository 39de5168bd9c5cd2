"""The San Francisco Fed's Daily News Sentiment Index (Shapiro, Sudhof & Wilson 2022).

An Excel workbook, replaced about once a week, whose last day is then some days old.
"""

import io
from datetime import date, datetime
from typing import Any
from zipfile import BadZipFile

import polars as pl

from mlxts.data.sources.base import Fetched
from mlxts.data.sources.http import Downloaded
from mlxts.errors import SourceError

SYMBOL = "SFFED_NEWS_SENTIMENT"

_HEADER_ROWS = 20  # a header lies within the first rows of its sheet, or there is none


class SFFedSource(Downloaded):
    """One workbook with the one series SFFED_NEWS_SENTIMENT."""

    name = "sffed"
    ADDRESS = "https://www.frbsf.org/wp-content/uploads/news_sentiment_data.xlsx"

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """A value for every day, weekends included.

        Raises:
            SourceError: no network, another symbol, or an answer that is no such workbook.
        """
        if symbol != SYMBOL:
            raise SourceError(f"the SF Fed's workbook holds {SYMBOL}, not {symbol}")
        return self._fetch(parse, start, end, subject="the SF Fed's news sentiment")


def parse(body: bytes, *, subject: str) -> pl.DataFrame:
    """The first sheet with a column `date` and one next to it, as date, value.

    Raises:
        SourceError: no workbook, no such sheet, or a cell that is no date or number.
    """
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(io.BytesIO(body), read_only=True, data_only=True)
        sheets = [list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]
        book.close()
    except (BadZipFile, InvalidFileException, KeyError, ValueError, OSError, EOFError) as error:
        reason = " ".join(str(error).split())[:120]
        raise SourceError(
            f"{subject}: the answer is no workbook ({reason}); try again later"
        ) from error
    for rows in sheets:
        for position, row in enumerate(rows[:_HEADER_ROWS]):
            names = [str(cell).strip().lower() if cell is not None else "" for cell in row]
            if "date" in names[:-1]:
                column = names.index("date")
                below = ((r[column], r[column + 1]) for r in rows[position + 1 :])
                cells = [(day, value) for day, value in below if day is not None]
                return _series(cells, first_row=position + 2, subject=subject)
    raise SourceError(
        f"{subject}: no sheet of the workbook has a column `date`; import a file instead"
    )


def _series(cells: list[tuple[Any, Any]], *, first_row: int, subject: str) -> pl.DataFrame:
    days, values = [], []
    for row, (day, value) in enumerate(cells, first_row):
        if not isinstance(day, date):
            raise SourceError(f"{subject}: row {row}: {day!r} is no date; import a file instead")
        if value is not None and not isinstance(value, int | float):
            raise SourceError(
                f"{subject}: row {row}: {value!r} is no number; import a file instead"
            )
        days.append(day.date() if isinstance(day, datetime) else day)
        values.append(value)
    schema = {"date": pl.Date, "value": pl.Float64}
    return pl.DataFrame({"date": days, "value": values}, schema=schema, strict=False)
