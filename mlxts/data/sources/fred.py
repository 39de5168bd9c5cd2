"""FRED, the St. Louis Fed's database: the CSV behind its graphs, which needs no key.

Only the latest vintage is there: revised figures carry what was known later.
"""

from collections.abc import Callable
from datetime import date
from urllib.parse import urlencode

import polars as pl

from mlxts.data.sources import column_aliases, number_text
from mlxts.data.sources.base import Fetched, requested_range, within, without_gaps
from mlxts.data.sources.http import Web, require_no_page
from mlxts.errors import SourceError

ADDRESS = "https://fred.stlouisfed.org/graph/fredgraph.csv"


class FredSource:
    """One series at a time, by FRED's own id.

    Args:
        web: how requests are made; None: with the defaults.
        tell: called with a message before each wait.
        address: of the CSV, without the query; None: ADDRESS.
    """

    name = "fred"

    def __init__(
        self,
        web: Web | None = None,
        *,
        address: str | None = None,
        tell: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._web = web or Web(tell=tell)
        self._address = address or ADDRESS

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """Dates without a value (written `.` or left empty) are left out, with a note.

        Raises:
            SourceError: no network, an unknown id, or an answer that is no such CSV.
        """
        subject = f"FRED's {symbol}"
        body = self._web.get(f"{self._address}?{urlencode({'id': symbol})}", subject=subject)
        require_no_page(body, subject=subject)
        frame, notes = without_gaps(parse(body, subject=subject))
        request = {"id": symbol, "address": self._address}
        return Fetched(
            within(frame, start, end, subject=subject), request | requested_range(start, end), notes
        )


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
            column_aliases.dates(table.to_series(0)),
            number_text.numbers(table.to_series(1), "."),
        )
    except SourceError as error:
        raise SourceError(f"{subject}: {error}") from error
    return pl.DataFrame({"date": days, "value": values})


def _not_csv(error: Exception) -> str:
    return f"the answer is no CSV ({' '.join(str(error).split())[:120]}); try again later"
