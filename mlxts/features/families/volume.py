"""Volume and money flow, always against the volume that is usual now."""

from functools import cache

from mlxts.features import relations as to
from mlxts.features.base_quantities import (
    CLOSE,
    HIGH,
    LOG_RANGE,
    LOW,
    RETURN,
    RETURN_SIGN,
    TURNOVER,
    TYPICAL,
    UNTRADED,
    VOLUME,
    close_location,
    mean_volume,
    per_atr,
    per_return_sigma,
)
from mlxts.features.families.magnitude import (
    RATIO_RELATIONS,
    RELATIONS,
    Magnitude,
    Ratio,
)
from mlxts.features.families.swing import ALL, swing
from mlxts.features.feature import Family, merge, product
from mlxts.features.quantity import Quantity, talib

_SIGNED = (RETURN_SIGN * VOLUME).named("signed_volume")
_TYPICAL_MOVE = (TYPICAL.change(1) / CLOSE).named("typical_move")
_TRADED = (TYPICAL * VOLUME).named("traded_value")
_LIGHT = 0.1  # of the usual volume: less counts as that, where one divides by volume


@cache
def _turnover(bars: int) -> Quantity:
    return (TURNOVER if bars == 1 else TURNOVER.mean(bars)).named(f"volume_{bars}")


@cache
def _illiquidity(bars: int) -> Quantity:
    """Amihud 2002: absolute return a unit of (usual) volume."""
    term = (RETURN.abs() / TURNOVER.clip(_LIGHT)).named("illiquidity_term")
    return (term if bars == 1 else term.mean(bars)).named(f"illiquidity_{bars}")


@cache
def _effort(bars: int) -> Quantity:
    """Range a unit of (usual) volume."""
    term = (LOG_RANGE / TURNOVER.clip(_LIGHT)).named("effort_term")
    return (term if bars == 1 else term.mean(bars)).named(f"effort_{bars}")


@cache
def _turnover_deviation(bars: int) -> Quantity:
    return TURNOVER.std(bars).named(f"volume_deviation_{bars}")


def money_flow_index(bars: int) -> Quantity:
    """MFI - 50. Its sums are held against the volume traded, not against a fixed 1."""
    sign = _TYPICAL_MOVE.sign().named("typical_sign")
    moved = (sign.abs() * _TRADED).named("moved_value").total(bars).staged()
    net = (sign * _TRADED).named("signed_value").total(bars)
    return 50.0 * to.share(net, moved, (UNTRADED * CLOSE).named("untraded_value"))


def chaikin(bars: int) -> Quantity:
    """Chaikin money flow."""
    flow = (close_location() * VOLUME).named("accumulation").total(bars)
    return to.share(flow, VOLUME.total(bars).staged(), UNTRADED)


def balance(bars: int) -> Quantity:
    """Change of on-balance volume over some bars, as a share of the volume."""
    return to.share(_SIGNED.total(bars), VOLUME.total(bars).staged(), UNTRADED)


def volume_price_trend(bars: int) -> Quantity:
    """Volume-weighted mean return, in deviations."""
    flow = (RETURN * VOLUME).named("return_volume").total(bars)
    mean = to.share(flow, VOLUME.total(bars).staged(), UNTRADED)
    return mean * per_return_sigma(20) * bars**0.5


def force(bars: int) -> Quantity:
    """Elder's force index in deviations of a return times usual volume."""
    term = (RETURN * TURNOVER).named("force_term")
    return talib("EMA", term, timeperiod=bars) * per_return_sigma(20)


def chaikin_oscillator() -> Quantity:
    line = talib("ADOSC", HIGH, LOW, CLOSE, VOLUME, fastperiod=3, slowperiod=10)
    return to.share(line, mean_volume(20), UNTRADED)


def _standing(line: Quantity, bars: int) -> Quantity:
    return to.share(line - line.mean(bars), line.std(bars).staged(), UNTRADED)


_OBV = _SIGNED.running_total().named("obv")
_AD = (close_location() * VOLUME).named("accumulation").running_total().named("ad_line")


def klinger() -> Quantity:
    """Klinger's oscillator on signed usual volume."""
    term = (_TYPICAL_MOVE.sign().named("typical_sign") * TURNOVER).named("klinger_term")
    return talib("EMA", term, timeperiod=34) - talib("EMA", term, timeperiod=55)


def ease_of_movement(bars: int) -> Quantity:
    """Arms' ease of movement, move and range in ATR, volume in usual volumes."""
    middle = ((HIGH + LOW) * 0.5).named("bar_middle")
    move = (middle.change(1) * per_atr()).staged()
    term = move * ((HIGH - LOW) * per_atr()) / TURNOVER.clip(_LIGHT)
    return term.named("ease_term").mean(bars)


def oscillator(fast: int, slow: int) -> Quantity:
    """Log ratio of two mean volumes."""
    return to.relative(mean_volume(fast), mean_volume(slow), UNTRADED)


def quiet_flow(bars: int, *, loud: bool = False) -> Quantity:
    """Return on the days on which volume fell (negative volume index) or rose, in deviations."""
    rise = VOLUME.change(1) if loud else VOLUME.lag(1) - VOLUME
    chosen = to.share(rise, mean_volume(60), UNTRADED).positive().staged()
    return (RETURN * chosen).staged().total(bars) * per_return_sigma(20) * bars**-0.5


def agreement(bars: int) -> Quantity:
    return to.correlation(RETURN, TURNOVER.change(1).named("volume_change"), bars)


def range_agreement(bars: int) -> Quantity:
    return to.correlation(LOG_RANGE, TURNOVER, bars)


def trend(bars: int) -> Quantity:
    weighted = talib("WMA", TURNOVER, timeperiod=bars)
    return to.trend(TURNOVER, weighted, bars)


def relative_strength(bars: int) -> Quantity:
    """RSI of volume - 50."""
    return talib("CMO", TURNOVER, timeperiod=bars) * 0.5


def body_flow(bars: int) -> Quantity:
    """Volume of up days over that of down days, as log."""
    up = (RETURN_SIGN.clip(0.0) * VOLUME).named("up_volume").total(bars).staged()
    down = ((0.0 - RETURN_SIGN).clip(0.0) * VOLUME).named("down_volume").total(bars).staged()
    days_up = RETURN_SIGN.clip(0.0).staged().total(bars).staged()
    days_down = (0.0 - RETURN_SIGN).clip(0.0).staged().total(bars).staged()
    mean_up = to.share(up, days_up, 0.5).staged()
    mean_down = to.share(down, days_down, 0.5).staged()
    return to.share(mean_up - mean_down, mean_up + mean_down, UNTRADED)


# By priority.
SWINGS = (
    swing("mfi_14", money_flow_index(14), 20.0, "percent"),
    swing("obv_flow_20", balance(20), 0.25),
    swing("volume_oscillator_1_60", oscillator(1, 60), 0.5),
    swing("chaikin_flow_20", chaikin(20), 0.15),
    swing("volume_oscillator_5_20", oscillator(5, 20), 0.25),
    swing("volume_price_trend_20", volume_price_trend(20), 1.5, "sigma"),
    swing("force_13", force(13), 0.5, "sigma"),
    swing("agreement_20", agreement(20), 0.3),
    swing("chaikin_oscillator", chaikin_oscillator(), 1.0),
    swing("obv_standing_20", _standing(_OBV, 20), 1.5, "sigma"),
    swing("klinger", klinger(), 0.15),
    swing("volume_trend_20", trend(20), 0.6),
    swing("ease_14", ease_of_movement(14), 0.2),
    swing("volume_oscillator_12_50", oscillator(12, 50), 0.2),
    swing("quiet_flow_20", quiet_flow(20), 0.8, "sigma"),
    swing("up_down_volume_20", body_flow(20), 0.15),
    swing("range_agreement_20", range_agreement(20) - 0.6, 0.2),
    swing("obv_flow_5", balance(5), 0.6),
    swing("mfi_7", money_flow_index(7), 28.0, "percent"),
    swing("ad_standing_20", _standing(_AD, 20), 1.5, "sigma"),
    swing("obv_flow_50", balance(50), 0.15),
    swing("volume_rsi_14", relative_strength(14), 5.0, "percent"),
    swing("force_2", force(2), 1.0, "sigma"),
    swing("chaikin_flow_50", chaikin(50), 0.1),
    swing("loud_flow_20", quiet_flow(20, loud=True), 0.8, "sigma"),
    swing("agreement_60", agreement(60), 0.2),
    swing("volume_trend_50", trend(50), 0.5),
)

MAGNITUDES = tuple(
    Magnitude(value.formula, value)
    for value in (
        _turnover(1), _turnover(5), _turnover(20), _illiquidity(5), _turnover(3),
        _turnover_deviation(20), _effort(5), _illiquidity(20), _turnover(10), _turnover(50),
        _effort(1), _illiquidity(1), _turnover_deviation(60), _effort(20), _turnover(2),
    )
)  # fmt: skip

RATIOS = tuple(
    Ratio(first, second)
    for first, second in (
        (_turnover(1), _turnover(5)), (_illiquidity(5), _illiquidity(20)),
        (_effort(5), _effort(20)), (_turnover_deviation(20), _turnover(20)),
        (_turnover(5), _turnover(50)), (_turnover(1), _turnover(2)),
    )
)  # fmt: skip

FAMILY = Family(
    "volume",
    merge(
        product("volume", SWINGS, ALL),
        product("volume", MAGNITUDES, RELATIONS),
        product("volume", RATIOS, RATIO_RELATIONS),
    ),
)
