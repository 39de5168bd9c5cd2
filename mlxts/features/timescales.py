"""Features at a timescale: the engine runs on each phase's bars as on a symbol of its own.

`daily_multi` has three sets of columns: the tier on daily bars, and on weekly and on monthly bars
of the canonical phase the smallest tier, prefixed `weekly_` and `monthly_`; so tier + 40 features.
The slow ones stay the same at every tier: the feature axis then grows by the tier alone, as it
does at the other timescales.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from mlxts import protocol
from mlxts.data import bars
from mlxts.data.panel import Panel
from mlxts.features import engine, tiers
from mlxts.protocol import TIMESCALES

MULTI = "daily_multi"
JOINED = ("weekly", "monthly")  # whose features are joined to the daily ones
JOINED_TIER = min(protocol.TIERS)


def build(frame: pl.LazyFrame, tier: int, timescale: str, *, volume: bool = True) -> pl.DataFrame:
    """Compute a tier's features at a timescale.

    Args:
        frame: daily bars, sorted by (symbol, date), as of a panel.
        volume: False: only the features that need none.

    Returns:
        date, symbol, then Float32 features, null in their warm-up; a row for each row of
        `bars.build`, in its order.

    Raises:
        ConfigError: no such tier.
    """
    names = tiers.tier(tier, volume=volume)
    if timescale == MULTI:
        return _with_slow(frame, names, tiers.tier(JOINED_TIER, volume=volume))
    if bars.spacing(TIMESCALES[timescale]) == 1:
        return engine.build(frame, names)
    return _of_bars(bars.build(_daily(frame), TIMESCALES[timescale]), names)


def joined(names: Sequence[str]) -> dict[str, int]:
    """How many of the features are of weekly and of monthly bars; empty where none is."""
    counts = {slow: sum(name.startswith(f"{slow}_") for name in names) for slow in JOINED}
    return {slow: count for slow, count in counts.items() if count}


def recipe(panel: Panel, timescale: str) -> dict[str, Any]:
    """What decides the bars besides the days; nothing for daily bars."""
    if timescale == "daily":
        return {}
    last = max(artifact.last for artifact in panel.artifacts)
    used = JOINED if timescale == MULTI else (timescale,)
    return {"bars": {name: bars.schedule_hash(TIMESCALES[name], last) for name in used}}


def _with_slow(
    frame: pl.LazyFrame, names: Sequence[str], slow_names: Sequence[str]
) -> pl.DataFrame:
    """The daily features, each day with those of the last week and month that had ended by then."""
    table, daily = engine.build(frame, names), _daily(frame)
    for slow in JOINED:
        completed = bars.build(daily, TIMESCALES[slow]).filter(phase=bars.CANONICAL)
        values = _of_bars(completed, slow_names)
        values = values.rename({name: f"{slow}_{name}" for name in values.columns[2:]})
        # Sorted by (symbol, date), which within a symbol is by date, as the join wants it.
        table = table.join_asof(
            values, on="date", by="symbol", strategy="backward", check_sortedness=False
        )
    return table


def _of_bars(made: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    series = pl.format("{}/{}", "symbol", "phase").alias("symbol")
    return engine.build(made.lazy().with_columns(series), names).with_columns(made["symbol"])


def _daily(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.select("symbol", *engine.BARS).collect(engine="in-memory")
