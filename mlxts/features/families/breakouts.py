"""Breakouts and extremes: the last bars' high and low, how far, how old, how often broken."""

from dataclasses import dataclass

from mlxts.features import kernels
from mlxts.features import relations as to
from mlxts.features.base_quantities import (
    CLOSE,
    FLAT,
    HIGH,
    LOW,
    PERCENT,
    highest_high,
    lowest_low,
    per_atr,
    per_sigma,
)
from mlxts.features.feature import Family, Relation, product
from mlxts.features.kernels import MIN_HISTORY, extreme_age
from mlxts.features.quantity import Quantity


@dataclass(frozen=True)
class Channel:
    """The range of the last `bars`."""

    bars: int

    @property
    def name(self) -> str:
        return f"channel_{self.bars}"

    @property
    def high(self) -> Quantity:
        return highest_high(self.bars)

    @property
    def low(self) -> Quantity:
        return lowest_low(self.bars)


# By priority.
CHANNELS = tuple(Channel(bars) for bars in (20, 50, 250, 10, 100, 5, 30, 150, 15, 75, 200, 40))


def position(x: Channel) -> Quantity:
    """0 at the low of the channel, 100 at its high, 50 where it is flat."""
    middle = ((x.high + x.low) * 0.5).staged()
    share = to.share(CLOSE - middle, (x.high - x.low).staged(), FLAT)
    return (100.0 * share + 50.0).named(f"channel_position_{x.bars}")


def _lead(bars: int) -> int:
    return min(bars, MIN_HISTORY) - 1


def _high_age(x: Channel) -> Quantity:
    kernel = extreme_age(x.bars)
    return HIGH.through(kernel, "highest_age", x.bars, after=_lead(x.bars)).staged()


def _low_age(x: Channel) -> Quantity:
    kernel = extreme_age(x.bars, lowest=True)
    return LOW.through(kernel, "lowest_age", x.bars, after=_lead(x.bars)).staged()


def _break(x: Channel) -> Quantity:
    """1 where the close leaves the channel of the bars before upwards, -1 downwards."""
    up = ((CLOSE - x.high.lag(1)) * PERCENT).positive()
    return (up - ((x.low.lag(1) - CLOSE) * PERCENT).positive()).named(f"break_{x.bars}")


def _touch(x: Channel) -> Quantity:
    """1 on a bar that makes the high of the channel, -1 on one that makes the low."""
    below, above = ((x.high - HIGH) * PERCENT).positive(), ((LOW - x.low) * PERCENT).positive()
    return (above - below).named(f"extreme_{x.bars}")


def _overshoot(x: Channel) -> Quantity:
    """How far the close is outside the channel of the bars before, in ATR."""
    up = ((CLOSE - x.high.lag(1)) * per_atr()).clip(0.0)
    return (up - ((x.low.lag(1) - CLOSE) * per_atr()).clip(0.0)).named(f"overshoot_{x.bars}")


def _age_balance(x: Channel) -> Quantity:
    return ((_low_age(x) - _high_age(x)) * (100.0 / x.bars)).staged()


# By priority.
RELATIONS: tuple[Relation[Channel], ...] = (
    Relation("high_distance_atr", "distance", "ATR", lambda x: (x.high - CLOSE) * per_atr()),
    Relation("high_age", "recency", "bars", _high_age),
    Relation("position", "position", "percent", position),
    Relation("low_distance_atr", "distance", "ATR", lambda x: (CLOSE - x.low) * per_atr()),
    Relation("low_age", "recency", "bars", _low_age),
    Relation("break_recency", "recency", "bars",
             lambda x: _break(x).through(kernels.signed_age, "signed_age")),
    Relation("position_slope_5", "slope", "percent", lambda x: position(x).change(5)),
    Relation("break_balance_60", "position", "ratio", lambda x: _break(x).mean(60)),
    Relation("age_balance", "position", "percent", _age_balance),
    Relation("half_duration", "duration", "bars",
             lambda x: to.duration((position(x) - 50.0) * 0.01)),
    Relation("extreme_balance_20", "position", "ratio", lambda x: _touch(x).mean(20)),
    Relation("high_distance_sigma", "distance", "sigma", lambda x: (x.high - CLOSE) * per_sigma()),
    Relation("low_distance_pct", "distance", "percent", lambda x: (CLOSE - x.low) * PERCENT),
    Relation("overshoot_mean_60", "position", "ATR", lambda x: _overshoot(x).mean(60)),
    Relation("position_percentile_60", "position", "percent", lambda x: position(x).percentile(60)),
    Relation("width_atr", "distance", "ATR", lambda x: (x.high - x.low) * per_atr()),
    Relation("high_slope_10", "slope", "ATR", lambda x: to.slope(x.high, 10, per_atr())),
    Relation("low_slope_10", "slope", "ATR", lambda x: to.slope(x.low, 10, per_atr())),
    Relation("extreme_recency", "recency", "bars",
             lambda x: _touch(x).through(kernels.signed_age, "signed_age")),
    Relation("position_acceleration_5", "acceleration", "percent",
             lambda x: position(x).change(5).staged().change(5)),
)  # fmt: skip

FAMILY = Family("breakouts", product("breakouts", CHANNELS, RELATIONS))
