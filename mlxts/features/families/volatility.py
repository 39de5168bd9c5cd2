"""Volatility: several estimators of it, each against its own history.

Estimates are a bar's, in log returns, never annualised. Range-based ones: Parkinson (1980),
Garman and Klass (1980), Rogers and Satchell (1991), Yang and Zhang (2000).
"""

from functools import cache
from math import log, sqrt

from mlxts.features import relations as to
from mlxts.features.base_quantities import (
    ABSOLUTE_RETURN,
    CLOSE,
    FLAT,
    HIGH,
    LOG_RANGE,
    LOW,
    OPEN,
    RETURN,
    atr,
    sigma,
)
from mlxts.features.families.magnitude import RATIO_RELATIONS, RELATIONS, Magnitude, Ratio
from mlxts.features.feature import Family, Feature, merge, product
from mlxts.features.quantity import Quantity, inverse, maximum, minimum, talib

_YANG_ZHANG_K = 0.34

_UP = (HIGH / OPEN).log().named("log_high_open")
_DOWN = (LOW / OPEN).log().named("log_low_open")
_BODY = (CLOSE / OPEN).log().named("log_close_open")
_GAP = (OPEN / CLOSE.lag(1)).log().named("log_overnight")
_GK_TERM = (0.5 * LOG_RANGE * LOG_RANGE - (2 * log(2) - 1) * _BODY * _BODY).named(
    "garman_klass_term"
)
_RS_TERM = (_UP * (_UP - _BODY) + _DOWN * (_DOWN - _BODY)).named("rogers_satchell_term")
_LOSS = minimum(RETURN, RETURN * 0.0).named("log_loss_part")
_GAIN = maximum(RETURN, RETURN * 0.0).named("log_gain_part")


@cache
def log_range(bars: int) -> Quantity:
    """Mean log(high / low): the HAR baseline's own regressor."""
    return (LOG_RANGE if bars == 1 else LOG_RANGE.mean(bars)).named(f"range_{bars}")


@cache
def parkinson(bars: int) -> Quantity:
    mean = (LOG_RANGE * LOG_RANGE).named("squared_log_range").mean(bars)
    return (mean * (1 / (4 * log(2)))).sqrt().named(f"parkinson_{bars}")


@cache
def garman_klass(bars: int) -> Quantity:
    return _GK_TERM.mean(bars).sqrt().named(f"garman_klass_{bars}")


@cache
def rogers_satchell(bars: int) -> Quantity:
    return _RS_TERM.mean(bars).sqrt().named(f"rogers_satchell_{bars}")


@cache
def yang_zhang(bars: int) -> Quantity:
    k = _YANG_ZHANG_K / (1.34 + (bars + 1) / (bars - 1))
    overnight, day = _GAP.std(bars).staged(), _BODY.std(bars).staged()
    variance = overnight * overnight + k * day * day + (1 - k) * _RS_TERM.mean(bars).clip(0.0)
    return variance.sqrt().named(f"yang_zhang_{bars}")


@cache
def downside(bars: int) -> Quantity:
    """Root mean square of the losses."""
    return (_LOSS * _LOSS).named("squared_loss").mean(bars).sqrt().named(f"downside_{bars}")


@cache
def upside(bars: int) -> Quantity:
    return (_GAIN * _GAIN).named("squared_gain").mean(bars).sqrt().named(f"upside_{bars}")


@cache
def mean_absolute(bars: int) -> Quantity:
    return ABSOLUTE_RETURN.mean(bars).named(f"absolute_return_{bars}")


@cache
def bipower(bars: int) -> Quantity:
    """Bipower variation: jumps count little in it (Barndorff-Nielsen and Shephard 2004)."""
    term = (ABSOLUTE_RETURN * ABSOLUTE_RETURN.lag(1)).named("bipower_term")
    return term.mean(bars).sqrt().named(f"bipower_{bars}")


@cache
def exponential(bars: int) -> Quantity:
    """RiskMetrics-like: an EMA of squared returns."""
    squared = (RETURN * RETURN).named("squared_return")
    return talib("EMA", squared, timeperiod=bars).sqrt().named(f"ewma_sigma_{bars}")


@cache
def atr_share(bars: int) -> Quantity:
    return (atr(bars) / CLOSE).named(f"atr_share_{bars}")


@cache
def band_width(bars: int) -> Quantity:
    """Deviation of the closes over the close (a quarter of the Bollinger band's width)."""
    return (CLOSE.std(bars) / CLOSE).named(f"band_{bars}")


@cache
def channel_width(bars: int) -> Quantity:
    """Range of the last bars over the close (Donchian channel)."""
    return ((HIGH.highest(bars) - LOW.lowest(bars)) / CLOSE).named(f"channel_{bars}")


@cache
def overnight(bars: int) -> Quantity:
    return (_GAP * _GAP).named("squared_overnight").mean(bars).sqrt().named(f"overnight_{bars}")


@cache
def intraday(bars: int) -> Quantity:
    return (_BODY * _BODY).named("squared_body").mean(bars).sqrt().named(f"intraday_{bars}")


@cache
def volatility_of_volatility(bars: int) -> Quantity:
    return log_range(5).std(bars).named(f"range_5_deviation_{bars}")


@cache
def largest_move(bars: int) -> Quantity:
    return ABSOLUTE_RETURN.highest(bars).named(f"largest_return_{bars}")


# By priority.
ESTIMATES = tuple(
    Magnitude(value.formula, value)
    for value in (
        log_range(1), log_range(5), log_range(22), atr_share(14), sigma(20), parkinson(10),
        garman_klass(20), downside(20), yang_zhang(20), log_range(66), sigma(10), band_width(20),
        atr_share(5), log_range(10), rogers_satchell(20), overnight(20), intraday(10),
        sigma(60), channel_width(20), exponential(20), upside(20), bipower(20), log_range(3),
        volatility_of_volatility(20), largest_move(20), atr_share(28), sigma(5), downside(60),
        band_width(50), channel_width(50), garman_klass(5), yang_zhang(60), overnight(60),
    )
)  # fmt: skip


# By priority: term structure, then what kind of dispersion there is.
TERMS = tuple(
    Ratio(first, second)
    for first, second in (
        (log_range(5), log_range(66)), (downside(20), upside(20)), (log_range(1), log_range(10)),
        (overnight(20), intraday(60)), (sigma(20), parkinson(20)), (sigma(10), sigma(60)),
        (log_range(22), log_range(130)), (largest_move(20), mean_absolute(20)),
        (bipower(20), sigma(20)), (downside(60), upside(60)), (log_range(1), log_range(3)),
        (atr_share(5), atr_share(28)), (sigma(5), sigma(20)), (channel_width(20), sigma(20)),
        (garman_klass(20), yang_zhang(20)), (overnight(5), intraday(5)),
        (sigma(60), parkinson(60)), (band_width(20), atr_share(20)), (downside(10), upside(10)),
        (rogers_satchell(20), garman_klass(20)), (exponential(10), exponential(60)),
        (volatility_of_volatility(20), log_range(22)), (band_width(10), band_width(50)),
        (channel_width(10), channel_width(50)), (largest_move(60), mean_absolute(40)),
        (bipower(60), sigma(60)), (log_range(2), log_range(22)), (overnight(20), sigma(20)),
    )
)  # fmt: skip


_SQUEEZE = (band_width(20) * 2.0 - atr_share(20) * 1.5).named("squeeze")
_ATR_MOVE = (atr(14) * inverse(atr(14).lag(1), FLAT)).named("atr_growth")
_LEVELS = (
    Feature("squeeze_duration", "volatility", "duration", "bars", to.duration(_SQUEEZE)),
    Feature("squeeze_level", "volatility", "position", "percent", 100.0 * _SQUEEZE),
    Feature("atr_growth", "volatility", "slope", "ratio", _ATR_MOVE - 1.0),
    Feature("shock", "volatility", "position", "sigma",
            RETURN.abs() * inverse(sigma(60).lag(1), 1e-7) * (1 / sqrt(2))),
)  # fmt: skip

FAMILY = Family(
    "volatility",
    merge(
        product("volatility", ESTIMATES, RELATIONS),
        product("volatility", TERMS, RATIO_RELATIONS),
        _LEVELS,
    ),
)
