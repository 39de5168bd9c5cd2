"""Oscillators and momentum, each centred on its neutral value."""

from functools import cache

from mlxts.features import relations as to
from mlxts.features.families.swing import ALL, swing
from mlxts.features.families.trend import wma
from mlxts.features.feature import Family, product
from mlxts.features.kernels import extreme_age
from mlxts.features.quantity import Quantity, inverse, talib
from mlxts.features.shared import (
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
    return 100.0 * to.share(value - (low + high) * 0.5, high - low)


def cci(bars: int) -> Quantity:
    """Commodity channel index; 0 where the typical price stood still."""
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


def intraday_momentum(bars: int) -> Quantity:
    """Sum of the bodies over the sum of their sizes (Chande's IMI, centred)."""
    body = (CLOSE - OPEN).named("price_body")
    return to.share(body.total(bars), body.abs().staged().total(bars).staged(), FLAT)


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


def momentum_strength(bars: int, over: int) -> Quantity:
    """Relative momentum index: an RSI of moves over several bars, smoothed by Wilder."""
    move = CLOSE.change(over).staged()
    net = talib("EMA", move, timeperiod=2 * bars - 1).staged()  # Wilder's average
    size = talib("EMA", move.abs().staged(), timeperiod=2 * bars - 1).staged()
    return 50.0 * to.share(net, size, FLAT)


_AWESOME = ((_MIDDLE.mean(5) - _MIDDLE.mean(34)).staged() * per_atr()).named("awesome")

# By priority: (name, value, what counts as extreme).
TABLE = tuple(
    swing(*row)
    for row in (
        ("rsi_14", rsi(14), 15.0),
        ("macd_12_26", _macd(12, 26) * per_atr(), 1.0),
        ("adx_14", adx(14) - 25.0, 8.0),
        ("momentum_21", momentum(21), 1.5),
        ("stochastic_14", stochastic(14), 35.0),
        ("macd_12_26_9_histogram", macd_histogram(12, 26, 9), 0.3),
        ("cci_20", cci(20), 100.0),
        ("directional_14", directional_movement(14), 15.0),
        ("standing_20", standing(20), 1.5),
        ("aroon_25", aroon(25), 70.0),
        ("momentum_5", momentum(5), 1.5),
        ("efficiency_20", efficiency(20), 0.4),
        ("momentum_63", momentum(63), 1.5),
        ("rsi_5", rsi(5), 25.0),
        ("time_correlation_20", time_correlation(20), 0.8),
        ("true_strength_25_13", true_strength(25, 13), 20.0),
        ("ultimate", talib("ULTOSC", HIGH, LOW, CLOSE) - 50.0, 12.0),
        ("vortex_14", vortex(14), 0.25),
        ("sharpe_60", sharpe(60), 0.15),
        ("stochastic_rsi_14", _stochastic_of(rsi(14), 14), 40.0),
        ("demarker_14", demarker(14), 0.2),
        ("awesome", _AWESOME, 1.5),
        ("trix_15", trix(15), 0.15),
        ("momentum_126", momentum(126), 1.5),
        ("standing_50", standing(50), 1.5),
        ("stochastic_5", stochastic(5), 40.0),
        ("rsi_21", rsi(21), 12.0),
        ("adx_28", adx(28) - 20.0, 6.0),
        ("time_correlation_50", time_correlation(50), 0.8),
        ("fisher_10", fisher(10), 1.0),
        ("momentum_10", momentum(10), 1.5),
        ("cci_40", cci(40), 100.0),
        ("directional_28", directional_movement(28), 12.0),
        ("vigor_10", vigor(10), 0.2),
        ("trend_cycle", trend_cycle(), 45.0),
        ("efficiency_10", efficiency(10), 0.5),
        ("bull_power_13", (HIGH - ema(13)) * per_atr() - 0.5, 1.0),
        ("bear_power_13", (LOW - ema(13)) * per_atr() + 0.5, 1.0),
        ("know_sure_thing", know_sure_thing(), 2.0),
        ("sharpe_20", sharpe(20), 0.25),
        ("rsi_2", rsi(2), 40.0),
        ("aroon_50", aroon(50), 70.0),
        ("stochastic_momentum_14", stochastic_momentum(14), 50.0),
        ("coppock", coppock(), 5.0),
        ("momentum_3", momentum(3), 1.5),
        ("macd_5_35_5_histogram", macd_histogram(5, 35, 5), 0.4),
        ("standing_10", standing(10), 1.5),
        ("intraday_momentum_14", intraday_momentum(14), 0.4),
        ("adx_7", adx(7) - 30.0, 12.0),
        ("time_correlation_10", time_correlation(10), 0.8),
        ("awesome_accelerator", _AWESOME - _AWESOME.mean(5), 0.4),
        ("momentum_strength_14_5", momentum_strength(14, 5), 20.0),
        ("sharpe_120", sharpe(120), 0.12),
        ("vortex_28", vortex(28), 0.18),
        ("rsi_9", rsi(9), 20.0),
        ("stochastic_21_slow", stochastic(21).staged().mean(5), 35.0),
        ("efficiency_50", efficiency(50), 0.3),
        ("directional_7", directional_movement(7), 22.0),
        ("macd_19_39_9_histogram", macd_histogram(19, 39, 9), 0.3),
        ("demarker_28", demarker(28), 0.15),
        ("momentum_42", momentum(42), 1.5),
        ("trix_9", trix(9), 0.25),
        ("cci_10", cci(10), 100.0),
        ("stochastic_9", stochastic(9), 40.0),
        ("true_strength_13_7", true_strength(13, 7), 30.0),
        ("aroon_14", aroon(14), 70.0),
        ("intraday_momentum_30", intraday_momentum(30), 0.3),
        ("rsi_30", rsi(30), 10.0),
        ("time_correlation_100", time_correlation(100), 0.8),
        ("vigor_20", vigor(20), 0.15),
        ("stochastic_14_slow", stochastic(14).staged().mean(3), 35.0),
        ("trix_30", trix(30), 0.1),
        ("fisher_30", fisher(30), 1.0),
        ("momentum_2", momentum(2), 1.5),
        ("standing_100", standing(100), 1.5),
        ("demarker_5", demarker(5), 0.3),
        ("macd_3_10_16_histogram", macd_histogram(3, 10, 16), 0.5),
        ("stochastic_momentum_40", stochastic_momentum(40), 50.0),
    )
)

FAMILY = Family("oscillators", product("oscillators", TABLE, ALL))
