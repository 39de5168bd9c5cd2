"""From names to columns: one staged lazy plan, one symbol at a time.

Only what the requested features depend on is computed. The plan is deep and wide, and Polars'
streaming engine needs a hundred times the time and ten times the memory for it, so the in-memory
engine is computed by name.
"""

from collections.abc import Sequence
from functools import lru_cache

import polars as pl

from mlxts.features import catalog
from mlxts.features.feature import Feature, closure

# A part of the hash by which a run knows its data again. It grows when a kernel or an operation
# computes something else by the same formula: runs of before are then not predicted any more.
REVISION = 1
BARS = ("date", "open", "high", "low", "close", "volume")


def build(frame: pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    """Compute features of the bars of one symbol or several.

    Args:
        frame: sorted by (symbol, date), with adjusted prices and no nulls in `BARS`.
        names: features of the catalog, in the order wanted.

    Returns:
        date, symbol, then one Float32 column a feature: null in its warm-up and nowhere else.

    Raises:
        ConfigError: a name that the catalog does not have.
    """
    features = tuple(catalog.get(name) for name in names)
    bars = frame.select("symbol", *BARS).collect(engine="in-memory")
    built = [build_symbol(symbol_bars, features) for symbol_bars in bars.partition_by("symbol")]
    return pl.concat(built, rechunk=False) if built else build_symbol(bars, features)


def build_symbol(bars: pl.DataFrame, features: tuple[Feature, ...]) -> pl.DataFrame:
    """`build` for the bars of a single symbol and features that need not be in the catalog."""
    stages, wanted = plan(features)
    lazy = bars.lazy()
    for stage in stages:
        lazy = lazy.with_columns(stage)
    return lazy.select("date", "symbol", *wanted).collect(engine="in-memory", optimizations=_PLAIN)


# Every shared term is a named stage already: searching for more of them only costs time.
_PLAIN = pl.QueryOptFlags(comm_subexpr_elim=False, comm_subplan_elim=False)


@lru_cache(maxsize=8)
def plan(features: tuple[Feature, ...]) -> tuple[list[list[pl.Expr]], list[pl.Expr]]:
    """The stages of named columns that the features need, and the features themselves."""
    stage_of = closure([feature.quantity for feature in features])
    stages: list[list[pl.Expr]] = [[] for _ in range(max(stage_of.values(), default=0))]
    for column, stage in stage_of.items():
        stages[stage - 1].append(column.quantity.expr.cast(pl.Float64).alias(column.name))
    wanted = [feature.quantity.expr.cast(pl.Float32).alias(feature.name) for feature in features]
    return stages, wanted
