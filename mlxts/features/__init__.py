"""Relational features: a declarative catalog, nested tiers, a single Polars lazy query."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from mlxts.data.frames import Frame


def build(bars: "Frame", *, tier: int = 20, timescale: str = "daily") -> "pl.DataFrame":
    """Compute a tier's features of daily bars, each from bars up to its own alone.

    Args:
        bars: date, open, high, low, close, volume and, of several symbols, symbol; a row for each
            symbol and trading day, in any order. A frame of Polars (eager or lazy), pandas (dates
            may be its index) or PyArrow; columns as vendors spell them. Where there is an adjusted
            close, prices are adjusted by it.
        tier: 20, 50, 100, 200, 500, 1000 or 2000 features, each tier within the next.
        timescale: as a configuration names it: daily, 2d, 3d, 5d, weekly, 2wk, monthly,
            daily_multi.

    Returns:
        date (of each bar's last day), symbol (ASSET where the bars name none), then one Float32
        column a feature, null in its warm-up; sorted by symbol and, within the daily timescales,
        date.

    Raises:
        ConfigError: no such tier or timescale.
        DataError: a column is missing, a value is not known, or prices contradict each other.

    Source:
        docs/feature_catalog.md gives each feature's formula, unit and warm-up.
    """
    from mlxts.errors import ConfigError
    from mlxts.features import timescales
    from mlxts.protocol import TIMESCALES

    if timescale not in TIMESCALES:
        raise ConfigError(f"timescale: {timescale} is none of {', '.join(TIMESCALES)}")
    # By its name: how a caller's frame is read decides no run's numbers.
    frames = import_module("mlxts.data.frames")
    return timescales.build(frames.adjusted_bars(bars).lazy(), tier, timescale)
