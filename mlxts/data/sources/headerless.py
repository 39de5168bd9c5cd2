"""Files without a header, recognised by how many columns they have and which bracket others.

A shape is taken when it is the only one under which every row is a bar: no high below the open or
the close, no low above them.
"""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from mlxts.data.sources import number_text
from mlxts.errors import SourceError

_PRICES = ("open", "high", "low", "close")
_OHLC = ("date", *_PRICES)
# What each column is, in order; empty: it is not read. Columns behind the last one named are not.
SHAPES: Mapping[str, tuple[int, tuple[str, ...]]] = MappingProxyType(
    {
        "date, open, high, low, close": (5, _OHLC),
        "date, open, high, low, close, volume": (6, (*_OHLC, "volume")),
        "Coinbase's candles": (6, ("date", "low", "high", "open", "close", "volume")),
        "Bitfinex's candles": (6, ("date", "open", "close", "high", "low", "volume")),
        "Kraken's OHLCVT": (7, (*_OHLC, "volume")),
        "KuCoin's klines": (7, ("date", "open", "close", "high", "low", "volume")),
        "MetaTrader 4's history": (7, ("date", "", *_PRICES, "volume")),
        "Kraken's OHLC with vwap": (8, (*_OHLC, "", "volume")),
        "Binance's klines": (12, (*_OHLC, "volume")),
    }
)


def recognise(table: pl.DataFrame, *, values: bool) -> tuple[str, dict[str, str]]:
    """The name of a file's shape, and our names -> its columns.

    Args:
        table: columns of text, named by their positions.
        values: a series of values is wanted (date and one number) instead of bars.

    Raises:
        SourceError: none fits, or several do.
    """
    names = [name for name in table.columns if name]
    if values and len(names) == 2:
        return "date, value", {"date": names[0], "value": names[1]}
    fitting = {}
    for shape, (width, ours) in SHAPES.items():
        columns = {our: theirs for our, theirs in zip(ours, names, strict=False) if our}
        if not values and width == len(names) and _are_bars(table, columns):
            fitting[shape] = columns
    if len(fitting) == 1:
        return next(iter(fitting.items()))
    example = "date=1,value=2" if values else "date=1,open=2,high=3,low=4,close=5,volume=6"
    why = f"may be {' or '.join(fitting)}" if fitting else "has no shape that is known"
    raise SourceError(
        f"it has no header, and with {len(names)} columns {why}; name them by their positions, "
        f"e.g. --columns {example}"
    )


def _are_bars(table: pl.DataFrame, columns: Mapping[str, str]) -> bool:
    try:
        cells = [table[columns[price]].alias(price) for price in _PRICES]
        prices = pl.DataFrame(number_text.read(cells, likely=".").columns)
    except SourceError:
        return False
    body = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    within = (pl.col("low") <= body[0]) & (pl.col("high") >= body[1]) & (pl.col("low") > 0)
    return bool(prices.select(within.all()).item())
