"""Relational features: a declarative catalog, nested tiers, a single Polars lazy query."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def build(bars: "pl.DataFrame", *, tier: int = 20, timescale: str = "daily") -> "pl.DataFrame":
    """Compute a tier's features of daily bars, each from bars up to its own alone.

    Args:
        bars: date, symbol, open, high, low, close (adjusted prices, any currency) and volume, a
            row for each symbol and trading day, in any order.
        tier: 20, 50, 100, 200, 500, 1000 or 2000 features, each tier within the next.
        timescale: as a configuration names it: daily, 2d, 3d, 5d, weekly, 2wk, monthly,
            daily_multi.

    Returns:
        date (of each bar's last day), symbol, then one Float32 column a feature, null in its
        warm-up; sorted by symbol and, within the daily timescales, date.

    Raises:
        ConfigError: no such tier or timescale.
        DataError: a column is missing, a value is not known, or prices contradict each other.

    Source:
        docs/feature_catalog.md gives each feature's formula, unit and warm-up.
    """
    import polars as pl

    from mlxts.data import checks
    from mlxts.errors import ConfigError, DataError
    from mlxts.features import engine, timescales
    from mlxts.protocol import TIMESCALES

    if timescale not in TIMESCALES:
        raise ConfigError(f"timescale: {timescale} is none of {', '.join(TIMESCALES)}")
    wanted = {"symbol": pl.String, **dict.fromkeys(engine.BARS, pl.Float64), "date": pl.Date}
    missing = [name for name in wanted if name not in bars.columns]
    if missing:
        raise DataError(f"the bars have no column {missing[0]}; they need {', '.join(wanted)}")
    words = (pl.String, pl.Categorical, pl.Enum, pl.Null)
    for name, kind in wanted.items():
        dtype = bars.schema[name]
        fits = dtype.is_numeric() if kind == pl.Float64 else dtype in (pl.Date, pl.Datetime)
        if not (fits and name != "symbol") and dtype not in words:
            raise DataError(f"the bars' column {name} holds {dtype}; convert it to {kind}")
    try:
        typed_bars = bars.select(pl.col(name).cast(kind) for name, kind in wanted.items())
    except pl.exceptions.PolarsError as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"the bars hold values of another kind ({reason})") from error
    typed_bars = typed_bars.sort("symbol", "date")
    unadjusted = {"adj_close": pl.lit(None, pl.Float64), "dividends": 0.0, "splits": 0.0}
    for (symbol,), symbol_bars in typed_bars.group_by("symbol", maintain_order=True):
        wrong = checks.errors(checks.check(symbol_bars.with_columns(**unadjusted)))
        if wrong:
            raise DataError(f"bars of {symbol}: {wrong[0]}; correct the data and try again")
    return timescales.build(typed_bars.lazy(), tier, timescale)
