"""Trend levels: price relative to its moving averages, and their slopes."""

from dataclasses import dataclass
from functools import cache

from mlxts.features import relations as to
from mlxts.features.base_quantities import (
    CLOSE,
    HIGH,
    LOW,
    PERCENT,
    TYPICAL,
    UNTRADED,
    VOLUME,
    ema,
    highest_high,
    lowest_low,
    per_atr,
    per_sigma,
    sma,
)
from mlxts.features.feature import Family, Relation, product
from mlxts.features.quantity import Quantity, inverse, talib


@dataclass(frozen=True)
class Level:
    """A line on the price chart: `name` and `value` in price units."""

    name: str
    value: Quantity


@cache
def wma(bars: int) -> Quantity:
    return talib("WMA", CLOSE, timeperiod=bars).named(f"wma_{bars}")


@cache
def _recursive(function: str, bars: int) -> Quantity:
    return talib(function, CLOSE, timeperiod=bars).named(f"{function.lower()}_{bars}")


@cache
def linear_regression(bars: int) -> Quantity:
    """End point of the least-squares line through the last closes."""
    return (3.0 * wma(bars) - 2.0 * sma(bars)).named(f"linreg_{bars}")


@cache
def _hull(bars: int) -> Quantity:
    """Hull moving average (Hull 2005)."""
    faster = (2.0 * wma(bars // 2) - wma(bars)).staged()
    return talib("WMA", faster, timeperiod=round(bars**0.5)).named(f"hma_{bars}")


@cache
def _zero_lag(bars: int) -> Quantity:
    """EMA of the close plus what it gained over the average's lag (Ehlers and Way 2010)."""
    ahead = (CLOSE + CLOSE.change((bars - 1) // 2)).staged()
    return talib("EMA", ahead, timeperiod=bars).named(f"zlema_{bars}")


@cache
def volume_weighted(bars: int) -> Quantity:
    """Volume-weighted mean of typical prices; their plain mean where nothing was traded."""
    traded = (TYPICAL * VOLUME).named("traded_value").total(bars)
    weight = inverse(VOLUME.total(bars).staged(), UNTRADED).staged()
    missing = 1.0 - VOLUME.total(bars).staged() * weight
    return (traded * weight + TYPICAL.mean(bars) * missing).named(f"vwap_{bars}")


@cache
def middle(bars: int) -> Quantity:
    """Middle of the last bars' range (Donchian's and Ichimoku's lines)."""
    return ((highest_high(bars) + lowest_low(bars)) * 0.5).named(f"middle_{bars}")


@cache
def _median(bars: int) -> Quantity:
    return CLOSE.median(bars).named(f"median_{bars}")


@cache
def _mean_of(field: str, bars: int) -> Quantity:
    return {"high": HIGH, "low": LOW}[field].mean(bars).named(f"mean_{field}_{bars}")


SAR = talib("SAR", HIGH, LOW, acceleration=0.02, maximum=0.2).named("sar")

# By priority: the head of the list comes first in the tiers.
LEVELS = tuple(
    Level(value.formula, value)
    for value in (
        sma(20), sma(50), sma(200), ema(20), ema(10), ema(50), sma(100), sma(10),
        volume_weighted(20), ema(100), _recursive("KAMA", 20), linear_regression(20),
        _hull(21), sma(5), middle(26), _recursive("DEMA", 20), volume_weighted(50), wma(20),
        linear_regression(50), SAR, middle(9), _hull(50), _recursive("TEMA", 20), middle(52),
        sma(150), wma(50), _recursive("KAMA", 50), linear_regression(100), volume_weighted(100),
        _mean_of("high", 20), _mean_of("low", 20), _zero_lag(20), _recursive("DEMA", 50),
        _median(20), ema(5), wma(100), volume_weighted(10), _recursive("T3", 10), sma(30),
    )
)  # fmt: skip


def _distance_pct(level: Level) -> Quantity:
    return to.distance(level.value, PERCENT).staged()


def _distance_atr(level: Level) -> Quantity:
    return to.distance(level.value, per_atr()).staged()


RELATIONS: tuple[Relation[Level], ...] = (
    Relation("distance_atr", "distance", "ATR", _distance_atr),
    Relation("slope_5", "slope", "ATR", lambda x: to.slope(x.value, 5, per_atr())),
    Relation("duration", "duration", "bars", lambda x: to.side_duration(CLOSE, x.value)),
    Relation("distance_pct", "distance", "percent", _distance_pct),
    Relation(
        "distance_percentile_60", "position", "percent", lambda x: _distance_pct(x).percentile(60)
    ),
    Relation("acceleration_5", "acceleration", "ATR",
             lambda x: to.acceleration(x.value, 5, per_atr())),
    Relation("touch_recency", "recency", "bars", lambda x: to.touch_recency(x.value)),
    Relation("distance_sigma", "distance", "sigma", lambda x: to.distance(x.value, per_sigma())),
    Relation("slope_duration", "duration", "bars",
             lambda x: to.duration(x.value.change(1) * PERCENT)),
    Relation("approach_5", "slope", "ATR", lambda x: _distance_atr(x).change(5)),
    Relation("slope_1_pct", "slope", "percent", lambda x: to.slope(x.value, 1, PERCENT)),
    Relation("distance_z_60", "distance", "sigma", lambda x: to.zscore(_distance_pct(x), 60)),
    Relation("side_share_20", "position", "ratio",
             lambda x: _distance_pct(x).sign().mean(20)),
)  # fmt: skip

FAMILY = Family("trend", product("trend", LEVELS, RELATIONS))
