"""Oscillators and momentum, each centred on its neutral value."""

from functools import cache

from mlxts.features import relations as to
from mlxts.features.base_quantities import (
    CLOSE,
    FLAT,
    HIGH,
    LOG_CLOSE,
    LOW,
    OPEN,
    RETURN,
    TRUE_RANGE,
    TYPICAL,
    ema,
    highest_high,
    lowest_low,
    per_atr,
    per_return_sigma,
    sigma,
    sma,
)
from mlxts.features.families.swing import ALL, swing
from mlxts.features.families.trend import wma
from mlxts.features.feature import Family, product
from mlxts.features.kernels import extreme_age
from mlxts.features.quantity import Quantity, inverse, talib

_SATURATED = 1e-3  # range of an oscillator at its limit
_MOVE = CLOSE.change(1).named("price_change")
_ABSOLUTE_MOVE = _MOVE.abs().named("absolute_price_change")
_MIDDLE = ((HIGH + LOW) * 0.5).named("bar_middle")


@cache
def rsi(bars: int) -> Quantity:
    """Wilder's RSI - 50. TA-Lib's CMO is 2 RSI - 100, but neutral where nothing moved at all;
    its RSI says 0 there."""
    return (talib("CMO", CLOSE, timeperiod=bars) * 0.5).named(f"rsi_{bars}")


def stochastic(bars: int) -> Quantity:
    """Lane's %K - 50."""
    width = (highest_high(bars) - lowest_low(bars)).staged()
    middle = ((highest_high(bars) + lowest_low(bars)) * 0.5).staged()
    return 100.0 * to.share(CLOSE - middle, width, FLAT)


def _stochastic_of(value: Quantity, bars: int) -> Quantity:
    low, high = value.lowest(bars).staged(), value.highest(bars).staged()
    return 100.0 * to.share(value - (low + high) * 0.5, high - low, _SATURATED)


def cci(bars: int) -> Quantity:
    """Commodity channel index; 0 where the typical price is constant."""
    moved = (TYPICAL.std(bars) / CLOSE).positive()
    return talib("CCI", HIGH, LOW, CLOSE, timeperiod=bars) * moved


def directional_movement(bars: int) -> Quantity:
    """Wilder's +DI less -DI."""
    plus = talib("PLUS_DI", HIGH, LOW, CLOSE, timeperiod=bars)
    return plus - talib("MINUS_DI", HIGH, LOW, CLOSE, timeperiod=bars)


def adx(bars: int) -> Quantity:
    return talib("ADX", HIGH, LOW, CLOSE, timeperiod=bars)


def aroon(bars: int) -> Quantity:
    """Aroon oscillator: bars since the low less bars since the high, of bars + 1, in percent."""
    lead = min(bars + 1, 60) - 1
    high = HIGH.through(extreme_age(bars + 1), "highest_age", bars + 1, after=lead)
    low = LOW.through(extreme_age(bars + 1, lowest=True), "lowest_age", bars + 1, after=lead)
    return (low - high) * (100.0 / bars)


@cache
def _macd(fast: int, slow: int) -> Quantity:
    return (ema(fast) - ema(slow)).named(f"macd_{fast}_{slow}_price")


def macd_histogram(fast: int, slow: int, signal: int) -> Quantity:
    line = _macd(fast, slow)
    return (line - talib("EMA", line, timeperiod=signal)) * per_atr()


def momentum(bars: int) -> Quantity:
    """Log return over some bars, in deviations of such a return."""
    return LOG_CLOSE.change(bars) * per_return_sigma(20) * bars**-0.5


def sharpe(bars: int) -> Quantity:
    return RETURN.mean(bars) * inverse(sigma(bars), 1e-7)


def efficiency(bars: int) -> Quantity:
    """Kaufman's efficiency ratio with the sign of the move."""
    return to.share(CLOSE.change(bars), _ABSOLUTE_MOVE.total(bars).staged(), FLAT)


def time_correlation(bars: int) -> Quantity:
    """Correlation of the close with time."""
    slope = (6.0 / (bars - 1)) * (wma(bars) - sma(bars))
    spread = ((bars * bars - 1) / 12.0) ** 0.5
    return (to.share(slope * spread, CLOSE.std(bars).staged(), FLAT)).clip(-1.0, 1.0)


def standing(bars: int) -> Quantity:
    """Close less its mean, in deviations of the close (2 %b - 1 is half of it)."""
    return to.share(CLOSE - sma(bars), CLOSE.std(bars).staged(), FLAT)


def demarker(bars: int) -> Quantity:
    up = HIGH.change(1).clip(0.0).staged().mean(bars).staged()
    down = (LOW.lag(1) - LOW).clip(0.0).staged().mean(bars).staged()
    return 0.5 * to.share(up - down, up + down, FLAT)


def vortex(bars: int) -> Quantity:
    """Botes and Siepman 2010: VI+ less VI-."""
    up = (HIGH - LOW.lag(1)).abs().staged().total(bars)
    down = (LOW - HIGH.lag(1)).abs().staged().total(bars)
    return to.share(up - down, TRUE_RANGE.total(bars).staged(), FLAT)


def true_strength(slow: int, fast: int) -> Quantity:
    """True strength index (Blau 1991)."""

    def smooth(value: Quantity) -> Quantity:
        once = talib("EMA", value, timeperiod=slow).staged()
        return talib("EMA", once, timeperiod=fast).staged()

    return 100.0 * to.share(smooth(_MOVE), smooth(_ABSOLUTE_MOVE), FLAT)


def stochastic_momentum(bars: int) -> Quantity:
    """Stochastic momentum index (Blau 1993)."""

    def smooth(value: Quantity) -> Quantity:
        return talib("EMA", talib("EMA", value, timeperiod=3).staged(), timeperiod=3).staged()

    half = ((highest_high(bars) - lowest_low(bars)) * 0.5).staged()
    middle = ((highest_high(bars) + lowest_low(bars)) * 0.5).staged()
    return 100.0 * to.share(smooth((CLOSE - middle).staged()), smooth(half), FLAT)


def vigor(bars: int) -> Quantity:
    """Relative vigor: mean body over mean range."""
    body = (CLOSE - OPEN).named("price_body").mean(bars)
    return to.share(body, (HIGH - LOW).named("price_range").mean(bars).staged(), FLAT)


def fisher(bars: int) -> Quantity:
    """Ehlers' Fisher transform of the smoothed position in the range."""
    place = (talib("EMA", (stochastic(bars) * 0.02).staged(), timeperiod=5)).clip(-0.999, 0.999)
    place = place.staged()
    return 0.5 * ((1.0 + place) / (1.0 - place)).log()


def trend_cycle() -> Quantity:
    """Schaff trend cycle: the stochastic of the smoothed stochastic of a MACD, centred."""
    line = (_macd(23, 50) * per_atr()).staged()
    once = talib("EMA", _stochastic_of(line, 10).staged(), timeperiod=3).staged()
    return talib("EMA", _stochastic_of(once, 10).staged(), timeperiod=3)


def coppock() -> Quantity:
    """Coppock curve in deviations of a bar."""
    moves = (LOG_CLOSE.change(14) + LOG_CLOSE.change(11)).staged()
    return talib("WMA", moves, timeperiod=10) * per_return_sigma(20)


def know_sure_thing() -> Quantity:
    """Pring's KST on log returns, in deviations of a bar."""
    terms = ((10, 10, 1), (15, 10, 2), (20, 10, 3), (30, 15, 4))
    parts = [LOG_CLOSE.change(n).staged().mean(m) * float(w) for n, m, w in terms]
    return sum(parts[1:], parts[0]) * per_return_sigma(20) * 0.1


def trix(bars: int) -> Quantity:
    return talib("TRIX", CLOSE, timeperiod=bars) * per_return_sigma(20) * 0.01


_AWESOME = ((_MIDDLE.mean(5) - _MIDDLE.mean(34)).staged() * per_atr()).named("awesome")

# By priority: (name, value, what counts as extreme).
TABLE = (
    swing("rsi_14", rsi(14), 15.0, "percent"),
    swing("macd_12_26", _macd(12, 26) * per_atr(), 1.0, "ATR"),
    swing("adx_14", adx(14) - 25.0, 8.0, "percent"),
    swing("momentum_21", momentum(21), 1.5, "sigma"),
    swing("stochastic_14", stochastic(14), 35.0, "percent"),
    swing("macd_12_26_9_histogram", macd_histogram(12, 26, 9), 0.3, "ATR"),
    swing("cci_20", cci(20), 100.0),
    swing("directional_14", directional_movement(14), 15.0, "percent"),
    swing("standing_20", standing(20), 1.5, "sigma"),
    swing("aroon_25", aroon(25), 70.0, "percent"),
    swing("momentum_5", momentum(5), 1.5, "sigma"),
    swing("efficiency_20", efficiency(20), 0.4),
    swing("momentum_63", momentum(63), 1.5, "sigma"),
    swing("rsi_5", rsi(5), 25.0, "percent"),
    swing("time_correlation_20", time_correlation(20), 0.8),
    swing("true_strength_25_13", true_strength(25, 13), 20.0, "percent"),
    swing("ultimate", talib("ULTOSC", HIGH, LOW, CLOSE) - 50.0, 12.0, "percent"),
    swing("vortex_14", vortex(14), 0.25),
    swing("sharpe_60", sharpe(60), 0.15),
    swing("stochastic_rsi_14", _stochastic_of(rsi(14), 14), 40.0, "percent"),
    swing("demarker_14", demarker(14), 0.2),
    swing("awesome", _AWESOME, 1.5, "ATR"),
    swing("trix_15", trix(15), 0.15, "sigma"),
    swing("momentum_126", momentum(126), 1.5, "sigma"),
    swing("standing_50", standing(50), 1.5, "sigma"),
    swing("stochastic_5", stochastic(5), 40.0, "percent"),
    swing("rsi_21", rsi(21), 12.0, "percent"),
    swing("adx_28", adx(28) - 20.0, 6.0, "percent"),
    swing("time_correlation_50", time_correlation(50), 0.8),
    swing("fisher_10", fisher(10), 1.0),
    swing("momentum_10", momentum(10), 1.5, "sigma"),
    swing("cci_40", cci(40), 100.0),
    swing("directional_28", directional_movement(28), 12.0, "percent"),
    swing("vigor_10", vigor(10), 0.2),
    swing("trend_cycle", trend_cycle(), 45.0, "percent"),
    swing("efficiency_10", efficiency(10), 0.5),
    swing("bull_power_13", (HIGH - ema(13)) * per_atr() - 0.5, 1.0, "ATR"),
    swing("bear_power_13", (LOW - ema(13)) * per_atr() + 0.5, 1.0, "ATR"),
    swing("know_sure_thing", know_sure_thing(), 2.0, "sigma"),
    swing("rsi_2", rsi(2), 40.0, "percent"),
    swing("stochastic_momentum_14", stochastic_momentum(14), 50.0, "percent"),
    swing("coppock", coppock(), 5.0, "sigma"),
    swing("awesome_accelerator", _AWESOME - _AWESOME.mean(5), 0.4, "ATR"),
)

FAMILY = Family("oscillators", product("oscillators", TABLE, ALL))
