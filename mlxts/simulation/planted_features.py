"""Features that a simulated market provides with its bars, used instead of indicators.

They are stored in the artifact in their order of importance (or in none), and a tier of n is the
first n of them. They have no relation, no warm-up and no timescale.
"""

from typing import Any

import polars as pl

from mlxts.data.panel import Panel
from mlxts.data.sources.base import PLANTED
from mlxts.errors import DataError


def load(panel: Panel, tier: int) -> pl.LazyFrame:
    """date, symbol, `planted_1` .. `planted_<tier>` (Float32), a row for each daily bar.

    Raises:
        DataError: a symbol without planted features, or with fewer of them.
    """
    frame = panel.frame.collect(engine="in-memory")
    kind = frame.schema.get(PLANTED)
    if not isinstance(kind, pl.Array) or frame[PLANTED].null_count():
        raise DataError(
            f"the bars of {', '.join(panel.symbols)} come without planted features; use a market "
            "that shows some (`mlxts data simulate zipf`), or features.source: indicators"
        )
    values = frame[PLANTED].to_numpy()
    if tier > values.shape[1]:
        raise DataError(
            f"these bars show {values.shape[1]} planted features, not {tier}; choose a smaller "
            "features.tier"
        )
    columns = pl.from_numpy(values[:, :tier], schema=names(tier))
    return pl.concat([frame.select("date", "symbol"), columns], how="horizontal").lazy()


def names(tier: int) -> list[str]:
    """Of the features of a tier, in their order."""
    return [f"{PLANTED}_{number}" for number in range(1, tier + 1)]


def recipe(tier: int) -> dict[str, Any]:
    """What decides them besides the artifact."""
    return {"source": PLANTED, "tier": tier}
