"""The relations between a feature and its subject: functions that build expressions.

Prices become features only through a scale (percent, sigma, ATR) or a count of bars. Changes,
durations and ranks do the rest. The ones that several others start from are named columns.
"""

from mlxts.features import kernels
from mlxts.features.base_quantities import CLOSE, HIGH, LOW, PERCENT
from mlxts.features.quantity import Quantity, inverse

_LEAST_SHARE = 0.01  # a level below a hundredth of its own mean counts as that
_NOTHING = 1e-9  # a dimensionless spread below it is none


def distance(level: Quantity, scale: Quantity) -> Quantity:
    """The close minus a level, in the unit of the scale (signed)."""
    return gap(CLOSE, level) * scale


def gap(first: Quantity, second: Quantity) -> Quantity:
    """The difference of two prices, as a column."""
    return (first - second).staged()


def side_duration(first: Quantity, second: Quantity) -> Quantity:
    """Consecutive bars for which the first price has been above (+) or below (-) the second."""
    return duration(gap(first, second) * PERCENT)


def duration(value: Quantity) -> Quantity:
    """Consecutive bars for which a dimensionless value has been positive (+) or negative (-)."""
    return value.sign().through(kernels.run_length, "run_length")


def slope(level: Quantity, bars: int, scale: Quantity) -> Quantity:
    """Mean change per bar of a price level over some bars, in the unit of the scale."""
    return level.change(bars) * scale * (1.0 / bars)


def acceleration(level: Quantity, bars: int, scale: Quantity) -> Quantity:
    """The last change of a price level minus the change before it."""
    change = level.change(bars).staged()
    return change.change(bars) * scale * (1.0 / bars)


def cross_recency(first: Quantity, second: Quantity) -> Quantity:
    """Bars since the first price last crossed the second, signed by the direction (+ up).

    A bar on which they are equal is no crossing; before the first crossing the recency is 0.
    """
    side = (gap(first, second) * PERCENT).sign().staged()
    return crossing(side).through(kernels.signed_age, "signed_age")


def crossing(side: Quantity) -> Quantity:
    """-1 or 1 on the bars where a side (-1, 0, 1) turned to its opposite or left 0."""
    return side * side.change(1).abs().clip(0.0, 1.0)


def touch_recency(level: Quantity) -> Quantity:
    """Bars since a bar's range last held the level."""
    outside = ((LOW - level) * PERCENT).positive() + ((level - HIGH) * PERCENT).positive()
    return (1.0 - outside).through(kernels.age, "age")


def zone_duration(value: Quantity, low: float, high: float) -> Quantity:
    """Consecutive bars above `high` (+) or below `low` (-); 0 between."""
    zone = (value - high).positive() - (low - value).positive()
    return zone.through(kernels.run_length, "run_length")


def zone_recency(value: Quantity, low: float, high: float) -> Quantity:
    """Bars since the value was last above `high` (+) or below `low` (-)."""
    zone = (value - high).positive() - (low - value).positive()
    return zone.through(kernels.signed_age, "signed_age")


def zscore(value: Quantity, bars: int) -> Quantity:
    """Standard deviations from the value's own mean over some bars (dimensionless values)."""
    return (value - value.mean(bars)) * inverse(value.std(bars), _NOTHING)


def relative(value: Quantity, norm: Quantity, floor: Quantity | float = _NOTHING) -> Quantity:
    """Logarithm of a positive value divided by its norm, at least log(0.01).

    0 where the norm itself is nothing (at most `floor`): there is no other level to compare with.
    """
    scale = inverse(norm, floor).staged()
    ratio = (value * scale + (1.0 - norm * scale)).clip(_LEAST_SHARE).log()
    least = floor.formula if isinstance(floor, Quantity) else f"{floor:g}"
    return ratio.described(f"log_ratio({value.formula}, {norm.formula}; {least})")


def share(part: Quantity, whole: Quantity, floor: Quantity | float = _NOTHING) -> Quantity:
    """Part divided by whole; 0 where the whole is 0."""
    return part * inverse(whole, floor)


def correlation(first: Quantity, second: Quantity, bars: int) -> Quantity:
    """Pearson correlation of two dimensionless series over some bars; 0 where one is constant."""
    product = (first * second).staged()
    covariance = product.mean(bars) - first.mean(bars).staged() * second.mean(bars).staged()
    spread = (first.std(bars).staged() * second.std(bars).staged()).staged()
    return share(covariance, spread, _NOTHING * _NOTHING).clip(-1.0, 1.0)


def autocorrelation(value: Quantity, lag: int, bars: int) -> Quantity:
    """Correlation of a dimensionless series with itself `lag` bars ago."""
    return correlation(value, value.lag(lag).staged(), bars)


def trend(value: Quantity, wma: Quantity, bars: int) -> Quantity:
    """Correlation of a dimensionless series with time, from its weighted mean `wma`."""
    slope = (6.0 / (bars - 1)) * (wma - value.mean(bars))
    spread = ((bars * bars - 1) / 12.0) ** 0.5
    return share(slope * spread, value.std(bars).staged(), _NOTHING).clip(-1.0, 1.0)
