"""Swings: whatever moves about zero (oscillators, flows, balances), and how to look at one."""

from dataclasses import dataclass

from mlxts.features import relations as to
from mlxts.features.feature import Relation, Unit
from mlxts.features.quantity import Quantity, talib
from mlxts.features.shared import LOG_CLOSE


@dataclass(frozen=True)
class Swing:
    """A dimensionless series about zero.

    Attributes:
        value: centred on its neutral value.
        bound: beyond plus or minus this it counts as extreme.
    """

    name: str
    value: Quantity
    bound: float


def swing(name: str, value: Quantity, bound: float) -> Swing:
    """A row of a table: the value becomes a column under the row's name."""
    return Swing(name, value.named(name), bound)


def _signal(x: Swing) -> Quantity:
    return (x.value - talib("EMA", x.value, timeperiod=9)).staged()


def _divergence(x: Swing) -> Quantity:
    price = LOG_CLOSE.percentile(20).named("close_percentile_20")
    return x.value.percentile(20) - price


def _relation(name: str, kind: str, unit: Unit, build) -> Relation[Swing]:
    return Relation(name, kind, unit, build)


LEVEL = _relation("level", "position", "ratio", lambda x: x.value)
PERCENTILE = _relation("percentile_60", "position", "percent", lambda x: x.value.percentile(60))
SLOPE = _relation("slope_5", "slope", "ratio", lambda x: x.value.change(5).staged())
DURATION = _relation("duration", "duration", "bars", lambda x: to.duration(x.value))
Z_SCORE = _relation("z_60", "position", "sigma", lambda x: to.zscore(x.value, 60))

# By priority.
ALL: tuple[Relation[Swing], ...] = (
    LEVEL,
    SLOPE,
    DURATION,
    _relation("zone_recency", "recency", "bars",
              lambda x: to.zone_recency(x.value, -x.bound, x.bound)),
    PERCENTILE,
    _relation("signal", "distance", "ratio", _signal),
    _relation("acceleration_5", "acceleration", "ratio",
              lambda x: x.value.change(5).staged().change(5)),
    _relation("divergence_20", "position", "percent", _divergence),
    _relation("signal_duration", "duration", "bars", lambda x: to.duration(_signal(x))),
    _relation("zone_duration", "duration", "bars",
              lambda x: to.zone_duration(x.value, -x.bound, x.bound)),
    _relation("slope_1", "slope", "ratio", lambda x: x.value.change(1)),
    _relation("mean_20", "position", "ratio", lambda x: x.value.mean(20)),
)  # fmt: skip

FEW = (LEVEL, SLOPE, DURATION, PERCENTILE, Z_SCORE)
