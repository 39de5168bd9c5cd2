"""The bars of a symbol and the few quantities that every family builds on."""

from functools import cache

from mlxts.features.quantity import Quantity, inverse, raw, talib

OPEN, HIGH, LOW, CLOSE, VOLUME = (raw(name) for name in ("open", "high", "low", "close", "volume"))

_FLAT = 1e-9  # of the price: a range below it is none
_STILL = 1e-7  # a deviation of log returns below it is none

TYPICAL = ((HIGH + LOW + CLOSE) / 3.0).named("typical_price")
LOG_CLOSE = CLOSE.log().named("log_close")
RETURN = (CLOSE / CLOSE.lag(1)).log().named("log_return")
TRUE_RANGE = talib("TRANGE", HIGH, LOW, CLOSE).named("true_range")
LOG_RANGE = (HIGH / LOW).log().clip(0.0).named("log_range")
FLAT = (CLOSE * _FLAT).named("flat_price")  # floor of what is measured in price units
UNTRADED = (VOLUME.running_max() * _FLAT).named("untraded")  # floor of volumes

# What a price difference is multiplied with, to be in percent, ATR or sigma.
PERCENT = (100.0 / CLOSE).named("percent_per_price")


@cache
def atr(bars: int) -> Quantity:
    """Wilder's average true range, price units."""
    return talib("ATR", HIGH, LOW, CLOSE, timeperiod=bars).named(f"atr_{bars}")


@cache
def per_atr(bars: int = 14) -> Quantity:
    return inverse(atr(bars), FLAT).named(f"per_atr_{bars}")


@cache
def sigma(bars: int) -> Quantity:
    """Deviation of the log returns of the last bars."""
    return RETURN.std(bars).named(f"sigma_{bars}")


@cache
def per_sigma(bars: int = 20) -> Quantity:
    """Price differences into multiples of a bar's deviation."""
    return (inverse(sigma(bars), _STILL) / CLOSE).named(f"per_sigma_{bars}")


@cache
def per_return_sigma(bars: int = 20) -> Quantity:
    """Log returns into multiples of a bar's deviation."""
    return inverse(sigma(bars), _STILL).named(f"per_return_sigma_{bars}")


@cache
def sma(bars: int) -> Quantity:
    return CLOSE.mean(bars).named(f"sma_{bars}")


@cache
def ema(bars: int) -> Quantity:
    return talib("EMA", CLOSE, timeperiod=bars).named(f"ema_{bars}")


@cache
def highest_high(bars: int) -> Quantity:
    return HIGH.highest(bars).named(f"highest_high_{bars}")


@cache
def lowest_low(bars: int) -> Quantity:
    return LOW.lowest(bars).named(f"lowest_low_{bars}")


@cache
def mean_volume(bars: int) -> Quantity:
    return VOLUME.mean(bars).named(f"mean_volume_{bars}")


@cache
def close_location() -> Quantity:
    """The close's position in its bar: -1 at the low, 1 at the high, 0 in a flat bar."""
    return ((2.0 * CLOSE - HIGH - LOW) * inverse(HIGH - LOW, FLAT)).named("close_location")


# Returns as counts of deviations, which extremes cannot dominate, and what else is shared.
RETURN_SIGN = RETURN.sign().named("return_sign")
ABSOLUTE_RETURN = RETURN.abs().named("absolute_return")
SCALED_RETURN = (RETURN * per_return_sigma(60)).named("scaled_return")
TEMPERED_RETURN = SCALED_RETURN.clip(-3.0, 3.0).named("tempered_return")
SIGN_TURN = (0.0 - RETURN_SIGN * RETURN_SIGN.lag(1)).clip(0.0).named("sign_turn")
TURNOVER = (VOLUME * inverse(mean_volume(60), UNTRADED)).named("turnover")  # 1 is usual
