"""Real daily data that ships inside the `arch` package: no network, 1999 to 2018.

SP500 and NASDAQ are bars; VIX is a series of closes, 2014 to 2018 only.
"""

from datetime import date
from importlib import import_module
from importlib.metadata import version

import polars as pl

from mlxts.data.sources.base import Fetched, as_bars, requested_range, within, without_gaps
from mlxts.errors import SourceError

BARS = {"SP500": "sp500", "NASDAQ": "nasdaq"}
VALUES = {"VIX": "vix"}


class SampleSource:
    """The sample series. They are indices: prices are levels, there is nothing to adjust."""

    name = "sample"
    symbols = (*BARS, *VALUES)

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """Raises SourceError for a symbol that is no sample, or a range without rows."""
        module = (BARS | VALUES).get(symbol)
        if module is None:
            raise SourceError(f"the sample has no {symbol}; it has {', '.join(self.symbols)}")
        table = import_module(f"arch.data.{module}").load()
        raw = pl.DataFrame(
            {
                "date": table.index.to_numpy().astype("datetime64[D]"),
                **{c: table[c].to_numpy() for c in table.columns},
            }
        )
        notes: tuple[str, ...] = ()
        if symbol in VALUES:
            frame, notes = without_gaps(raw.select("date", pl.col("vix").alias("value")))
        else:
            frame = as_bars(raw.rename({c: c.lower().replace(" ", "_") for c in raw.columns}))
        rows = within(frame, start, end, subject=f"the sample of {symbol}")
        request = {"package": "arch", "version": version("arch"), "dataset": module}
        return Fetched(rows, request | requested_range(start, end), notes)
