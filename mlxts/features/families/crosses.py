"""Cross pairs: the distance of two trend levels, and when they last crossed."""

from dataclasses import dataclass

from mlxts.features import relations as to
from mlxts.features.base_quantities import PERCENT, ema, per_atr, sma
from mlxts.features.families.trend import LEVELS
from mlxts.features.feature import Family, Relation, product
from mlxts.features.quantity import Quantity


@dataclass(frozen=True)
class Pair:
    """A fast level and a slow one, price units."""

    fast: Quantity
    slow: Quantity

    @property
    def name(self) -> str:
        return f"{self.fast.formula}_x_{self.slow.formula}"


_LEVEL: dict[str, Quantity] = {level.name: level.value for level in LEVELS} | {
    "ema_12": ema(12),
    "ema_26": ema(26),
    "sma_12": sma(12),
}

# By priority.
PAIRS = tuple(
    Pair(_LEVEL[fast], _LEVEL[slow])
    for fast, slow in (
        ("sma_20", "sma_50"), ("ema_12", "ema_26"), ("sma_50", "sma_200"), ("ema_10", "ema_50"),
        ("sma_5", "sma_20"), ("vwap_20", "sma_20"), ("middle_9", "middle_26"),
        ("sma_50", "sma_100"), ("ema_20", "ema_100"), ("kama_20", "sma_50"),
        ("hma_21", "ema_20"), ("sma_100", "sma_200"), ("ema_5", "ema_20"),
        ("linreg_20", "sma_20"), ("middle_26", "middle_52"), ("wma_20", "wma_50"),
        ("sma_10", "sma_100"), ("dema_20", "ema_50"), ("vwap_50", "sma_50"),
        ("tema_20", "dema_20"), ("sma_20", "sma_200"), ("kama_20", "kama_50"),
        ("ema_50", "ema_100"), ("linreg_50", "sma_50"), ("median_20", "sma_20"),
        ("hma_50", "sma_50"), ("sma_10", "sma_30"), ("t3_10", "ema_20"),
        ("vwap_100", "sma_100"), ("zlema_20", "ema_20"), ("wma_20", "sma_20"),
        ("kama_20", "ema_20"), ("dema_50", "sma_100"), ("middle_26", "sma_50"), ("sma_5", "sma_50"),
        ("linreg_20", "linreg_50"), ("sma_12", "sma_50"), ("sar", "sma_20"),
    )
)  # fmt: skip


def _gap_atr(pair: Pair) -> Quantity:
    return (to.gap(pair.fast, pair.slow) * per_atr()).staged()


def _gap_pct(pair: Pair) -> Quantity:
    return (to.gap(pair.fast, pair.slow) * PERCENT).staged()


RELATIONS: tuple[Relation[Pair], ...] = (
    Relation("gap_atr", "proximity", "ATR", _gap_atr),
    Relation("recency", "recency", "bars", lambda x: to.cross_recency(x.fast, x.slow)),
    Relation("convergence_5", "slope", "ATR", lambda x: _gap_atr(x).change(5)),
    Relation("gap_percentile_60", "position", "percent", lambda x: _gap_pct(x).percentile(60)),
    Relation("acceleration_5", "acceleration", "ATR",
             lambda x: _gap_atr(x).change(5).staged().change(5)),
    Relation("gap_pct", "proximity", "percent", _gap_pct),
    Relation("proximity_20", "proximity", "ratio",
             lambda x: to.share(_gap_pct(x), _gap_pct(x).abs().highest(20), 1e-7)),
    Relation("widening_duration", "duration", "bars",
             lambda x: to.duration(_gap_pct(x).change(1))),
)  # fmt: skip

FAMILY = Family("crosses", product("crosses", PAIRS, RELATIONS))
