"""FRED, the St. Louis Fed's database: the CSV behind its graphs, which needs no key.

Only the latest vintage is there: revised figures carry what was known later.
"""

from datetime import date

import polars as pl

from mlxts.data.sources import date_text, number_text
from mlxts.data.sources.base import Fetched
from mlxts.data.sources.http import Downloaded
from mlxts.errors import SourceError


class FredSource(Downloaded):
    """One series at a time, by FRED's own id."""

    name = "fred"
    ADDRESS = "https://fred.stlouisfed.org/graph/fredgraph.csv"

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """Dates without a value (written `.` or left empty) are left out, with a note.

        Raises:
            SourceError: no network, an unknown id, or an answer that is no such CSV.
        """
        return self._fetch(parse, start, end, subject=f"FRED's {symbol}", query={"id": symbol})


def parse(body: bytes, *, subject: str) -> pl.DataFrame:
    """The CSV as date, value. Its header is read by position: its names have changed before.

    Raises:
        SourceError: not two columns, or a cell that is no date or number.
    """
    try:
        table = pl.read_csv(body, has_header=True, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{subject}: {_not_csv(error)}") from error
    if table.width != 2 or table.is_empty():
        names = ", ".join(table.columns[:5])
        raise SourceError(
            f"{subject}: expected a table of dates and values, found {table.height} rows of {names}"
        )
    try:
        days, values = (
            date_text.dates(table.to_series(0)),
            number_text.numbers(table.to_series(1), "."),
        )
    except SourceError as error:
        raise SourceError(f"{subject}: {error}") from error
    return pl.DataFrame({"date": days, "value": values})


def _not_csv(error: Exception) -> str:
    return f"the answer is no CSV ({' '.join(str(error).split())[:120]}); try again later"
