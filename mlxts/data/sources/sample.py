"""Real daily data that need no network: two indices, four stocks and the VIX.

SP500 and NASDAQ (bars, 1999 to 2018) and VIX (a series of closes, 2014 to 2018 only) ship inside
the `arch` package. AAPL, IBM, MSFT (2000-03 to 2013-03) and GOOG (2004-08 to 2013-03) ship inside
this one: end-of-day prices that Quandl WIKI declared public domain, as archived in
`bokeh_sampledata` 2026.1, with the split ratios that its two closes imply.
"""

from datetime import date
from importlib import import_module, resources
from importlib.metadata import version

import polars as pl

from mlxts.data.sources.base import Fetched, as_bars, requested_range, within, without_gaps
from mlxts.errors import SourceError

INDICES = {"SP500": "sp500", "NASDAQ": "nasdaq"}
STOCKS = ("AAPL", "GOOG", "IBM", "MSFT")
VALUES = {"VIX": "vix"}
_STOCKS_FILE = "stocks_2000_2013.parquet"


class SampleSource:
    """The sample series. Indices are levels: there is nothing to adjust."""

    name = "sample"
    symbols = (*INDICES, *STOCKS, *VALUES)

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """Raises SourceError for a symbol that is no sample, or a range without rows."""
        notes: tuple[str, ...] = ()
        if symbol in STOCKS:
            file = resources.files("mlxts.resources").joinpath(_STOCKS_FILE)
            with resources.as_file(file) as path:
                frame = as_bars(pl.read_parquet(path).filter(symbol=symbol))
            origin = {"package": "mlxts", "version": version("mlxts"), "dataset": _STOCKS_FILE}
        elif module := (INDICES | VALUES).get(symbol):
            table = import_module(f"arch.data.{module}").load()
            raw = pl.DataFrame(
                {
                    "date": table.index.to_numpy().astype("datetime64[D]"),
                    **{c: table[c].to_numpy() for c in table.columns},
                }
            )
            if symbol in VALUES:
                frame, notes = without_gaps(raw.select("date", pl.col("vix").alias("value")))
            else:
                frame = as_bars(raw.rename({c: c.lower().replace(" ", "_") for c in raw.columns}))
            origin = {"package": "arch", "version": version("arch"), "dataset": module}
        else:
            raise SourceError(f"the sample has no {symbol}; it has {', '.join(self.symbols)}")
        rows = within(frame, start, end, subject=f"the sample of {symbol}")
        return Fetched(rows, origin | requested_range(start, end), notes)
