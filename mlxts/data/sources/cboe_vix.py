"""Cboe's own history of the VIX. Only its closes are taken.

Opens, highs and lows of the older years are unreliable (a low above the close, zeros), and the
file has rows on holidays; neither matters for a closing level that is joined as of its date.
"""

from datetime import date

import polars as pl

from mlxts.data.sources import column_aliases, date_text, number_text
from mlxts.data.sources.base import Fetched
from mlxts.data.sources.http import Downloaded
from mlxts.errors import SourceError

SYMBOL = "VIX"
DATES = ("%m/%d/%Y", "%Y-%m-%d")


class CboeVixSource(Downloaded):
    """One file with the one series VIX."""

    name = "cboe_vix"
    ADDRESS = "https://cdn.cboe.com/api/global/us_indices/daily_prices/VIX_History.csv"

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """Closing levels.

        Raises:
            SourceError: no network, another symbol than VIX, or an answer that is no such CSV.
        """
        if symbol != SYMBOL:
            raise SourceError(f"Cboe's file holds {SYMBOL}, not {symbol}; ask for {SYMBOL}")
        return self._fetch(parse, start, end, subject="Cboe's VIX", column="close")


def parse(body: bytes, *, subject: str) -> pl.DataFrame:
    """The CSV as date, value (the close). Lines before the header are skipped.

    Raises:
        SourceError: no header with a date and a close, or a cell that is no date or number.
    """
    lines = body.decode("utf-8-sig", errors="replace").splitlines()
    starts = (n for n, line in enumerate(lines) if line.strip().lower().startswith("date,"))
    header = next(starts, None)
    if header is None:
        raise SourceError(f"{subject}: the answer has no header DATE,…,CLOSE; try again later")
    try:
        table = pl.read_csv("\n".join(lines[header:]).encode(), infer_schema=False)
        columns = column_aliases.match(table.columns, values=True)
        days = date_text.dates(table[columns["date"]], DATES)
        values = number_text.numbers(table[columns["value"]], ".")
    except (SourceError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"{subject}: {' '.join(str(error).split())[:200]}") from error
    return pl.DataFrame({"date": days, "value": values})
