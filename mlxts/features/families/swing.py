"""Swings: whatever moves about zero (oscillators, flows, balances), and its features."""

from dataclasses import dataclass

from mlxts.features import relations as to
from mlxts.features.base_quantities import LOG_CLOSE
from mlxts.features.feature import Relation, Unit
from mlxts.features.quantity import Quantity, talib


@dataclass(frozen=True)
class Swing:
    """A dimensionless series about zero.

    Attributes:
        value: centred on its neutral value.
        bound: beyond plus or minus this it counts as extreme, for the relations that ask.
        unit: of the value, its changes and means.
    """

    name: str
    value: Quantity
    bound: float
    unit: Unit = "ratio"


def swing(name: str, value: Quantity, bound: float, unit: Unit = "ratio") -> Swing:
    """A row of a table: the value becomes a column under the row's name."""
    return Swing(name, value.named(name), bound, unit)


def _signal(x: Swing) -> Quantity:
    return (x.value - talib("EMA", x.value, timeperiod=9)).staged()


def _divergence(x: Swing) -> Quantity:
    price = LOG_CLOSE.percentile(20).named("close_percentile_20")
    return x.value.percentile(20) - price


def _own_unit(x: Swing) -> Unit:
    return x.unit


LEVEL: Relation[Swing] = Relation("level", "position", _own_unit, lambda x: x.value)
PERCENTILE: Relation[Swing] = Relation(
    "percentile_60", "position", "percent", lambda x: x.value.percentile(60)
)
SLOPE: Relation[Swing] = Relation(
    "slope_5", "slope", _own_unit, lambda x: x.value.change(5).staged()
)
DURATION: Relation[Swing] = Relation("duration", "duration", "bars", lambda x: to.duration(x.value))
Z_SCORE: Relation[Swing] = Relation("z_60", "position", "sigma", lambda x: to.zscore(x.value, 60))

# By priority.
ALL: tuple[Relation[Swing], ...] = (
    LEVEL,
    SLOPE,
    DURATION,
    Relation("zone_recency", "recency", "bars",
              lambda x: to.zone_recency(x.value, -x.bound, x.bound)),
    PERCENTILE,
    Relation("signal", "distance", _own_unit, _signal),
    Relation("acceleration_5", "acceleration", _own_unit,
              lambda x: x.value.change(5).staged().change(5)),
    Relation("divergence_20", "position", "percent", _divergence),
    Relation("signal_duration", "duration", "bars", lambda x: to.duration(_signal(x))),
    Relation("zone_duration", "duration", "bars",
              lambda x: to.zone_duration(x.value, -x.bound, x.bound)),
    Relation("slope_1", "slope", _own_unit, lambda x: x.value.change(1)),
    Relation("mean_20", "position", _own_unit, lambda x: x.value.mean(20)),
)  # fmt: skip

FEW = (LEVEL, SLOPE, DURATION, PERCENTILE, Z_SCORE)
