"""Entropy and regime: how ordered, how skewed, how trending the last bars are."""

from functools import cache
from math import log

from mlxts.features import relations as to
from mlxts.features.base_quantities import (
    CLOSE,
    FLAT,
    HIGH,
    LOG_CLOSE,
    LOW,
    RETURN,
    RETURN_SIGN,
    SCALED_RETURN,
    SIGN_TURN,
    TEMPERED_RETURN,
    TRUE_RANGE,
    TURNOVER,
    close_location,
    highest_high,
    lowest_low,
    sigma,
)
from mlxts.features.families.oscillators import efficiency, time_correlation
from mlxts.features.families.swing import ALL, DURATION, LEVEL, PERCENTILE, SLOPE, swing
from mlxts.features.families.volatility import log_range
from mlxts.features.feature import Family, merge, product
from mlxts.features.kernels import permutation_entropy
from mlxts.features.quantity import Quantity

_LOG_RANGE = log_range(1)


def ordinal(value: Quantity, order: int, bars: int) -> Quantity:
    """Permutation entropy, a share of its maximum."""
    kernel = permutation_entropy(order, bars)
    return value.through(kernel, "permutation_entropy", order, bars, after=bars - 1)


def choppiness(bars: int) -> Quantity:
    """Log of the path over the range it covered, a share of log(bars) (Dreiss)."""
    covered = (highest_high(bars) - lowest_low(bars)).staged()
    path = to.share(TRUE_RANGE.total(bars), covered, FLAT).clip(1.0)
    return path.log() * (100.0 / log(bars))


def roughness(bars: int) -> Quantity:
    """Log of the path of the closes over their range, a share of log(bars) (Katz 1988)."""
    steps = CLOSE.change(1).abs().staged().total(bars)
    covered = (CLOSE.highest(bars) - CLOSE.lowest(bars)).staged()
    return to.share(steps, covered, FLAT).clip(1.0).log() * (1.0 / log(bars))


@cache
def _moment(power: int, bars: int) -> Quantity:
    """Mean power of the scaled returns, none beyond five deviations."""
    base = SCALED_RETURN.clip(-5.0, 5.0).named("bounded_return")
    term = base
    for _ in range(power - 1):
        term = term * base
    return term.staged().mean(bars).staged()


def skewness(bars: int) -> Quantity:
    """Third moment about 0 over the second to the power 1.5."""
    second = (_moment(2, bars).sqrt()).staged()
    return to.share(_moment(3, bars), second * second * second, 1e-6)


def kurtosis(bars: int) -> Quantity:
    """Log of the fourth moment about 0 over three times the squared second: 0 is Gaussian."""
    second = _moment(2, bars)
    return to.relative(_moment(4, bars), (3.0 * second * second).staged(), 1e-6)


def sign_entropy(bars: int) -> Quantity:
    """Entropy of up and down, bits."""
    up = (0.5 + 0.5 * RETURN_SIGN.mean(bars)).clip(1e-6, 1.0 - 1e-6).staged()
    down = (1.0 - up).staged()
    return (up * up.log() + down * down.log()) * (-1.0 / log(2))


def transition_entropy(bars: int) -> Quantity:
    """Entropy of turning or going on, bits."""
    share = SIGN_TURN.mean(bars).clip(1e-6, 1.0 - 1e-6).staged()
    rest = (1.0 - share).staged()
    return (share * share.log() + rest * rest.log()) * (-1.0 / log(2))


def leverage(bars: int) -> Quantity:
    """Correlation of a return with the change of the log range: the leverage effect."""
    return to.correlation(TEMPERED_RETURN, _LOG_RANGE.change(1).named("range_change"), bars)


def asymmetry(bars: int) -> Quantity:
    """Correlation of the last return with the present absolute one."""
    return to.correlation(TEMPERED_RETURN.lag(1).staged(), TEMPERED_RETURN.abs().staged(), bars)


def tail_share(bars: int) -> Quantity:
    """Share of the variance that the returns beyond two deviations made."""
    square = (SCALED_RETURN * SCALED_RETURN).named("squared_scaled")
    beyond = ((SCALED_RETURN.abs() - 2.0).positive() * square).named("squared_tail")
    return to.share(beyond.mean(bars), square.mean(bars).staged())


def breaches(bars: int) -> Quantity:
    """Share of returns below -1.65 deviations less share above 1.65."""
    zone = (SCALED_RETURN - 1.65).positive() - (-1.65 - SCALED_RETURN).positive()
    return zone.named("tail_side").mean(bars)


def gain_loss(bars: int) -> Quantity:
    """Mean gain less mean loss over their sum."""
    gain = RETURN.clip(0.0).named("gain").mean(bars).staged()
    loss = (0.0 - RETURN).clip(0.0).named("loss").mean(bars).staged()
    return to.share(gain - loss, gain + loss)


def persistence(bars: int) -> Quantity:
    """Hurst-like exponent from the range of log closes against their bars' deviation, - 0.5."""
    covered = (LOG_CLOSE.highest(bars) - LOG_CLOSE.lowest(bars)).staged()
    ratio = to.share(covered, sigma(bars), 1e-7).clip(1.0)
    return ratio.log() * (1.0 / log(bars)) - 0.5


def quiet_trend(bars: int) -> Quantity:
    """Efficiency times calm: positive in quiet rises, negative in quiet falls."""
    calm = (0.0 - to.relative(log_range(5), log_range(66))).staged()
    return efficiency(bars).staged() * (1.0 + calm.clip(-0.9, 0.9))


def fear(bars: int) -> Quantity:
    """Log relative range in falling markets, its negative in rising ones."""
    level = to.relative(log_range(5), log_range(66)).staged()
    return level * (0.0 - efficiency(bars)).staged()


def closing_order(bars: int) -> Quantity:
    """Correlation of the close location with the return."""
    return to.correlation(close_location(), TEMPERED_RETURN, bars)


def reversal(bars: int) -> Quantity:
    """Correlation of the overnight with the intraday part of the returns."""
    overnight = ((CLOSE.lag(1) - LOW) / CLOSE).named("dip") - ((HIGH - CLOSE.lag(1)) / CLOSE)
    return to.correlation(overnight.named("reach_balance"), TEMPERED_RETURN, bars)


# By priority: (name, value, what counts as extreme).
SWINGS = (
    swing("entropy_3_60", ordinal(LOG_CLOSE, 3, 60) - 0.95, 0.04),
    swing("choppiness_14", choppiness(14) - 50.0, 12.0, "percent"),
    swing("skewness_60", skewness(60), 0.7),
    swing("leverage_60", leverage(60), 0.3),
    swing("kurtosis_60", kurtosis(60) - 0.16, 0.3),
    swing("roughness_20", roughness(20) - 0.34, 0.1),
    swing("sign_entropy_20", sign_entropy(20) - 0.95, 0.04),
    swing("fear_20", fear(20), 0.15),
    swing("persistence_60", persistence(60) - 0.08, 0.08),
    swing("tail_share_60", tail_share(60) - 0.3, 0.2),
    swing("entropy_3_20", ordinal(LOG_CLOSE, 3, 20) - 0.9, 0.08),
    swing("gain_loss_20", gain_loss(20), 0.3),
    swing("choppiness_28", choppiness(28) - 48.0, 8.0, "percent"),
    swing("leverage_20", leverage(20), 0.4),
    swing("quiet_trend_20", quiet_trend(20), 0.4),
    swing("breaches_60", breaches(60), 0.05),
    swing("skewness_20", skewness(20), 0.8),
    swing("entropy_4_120", ordinal(LOG_CLOSE, 4, 120) - 0.93, 0.03),
    swing("range_entropy_3_60", ordinal(_LOG_RANGE, 3, 60) - 0.986, 0.01),
    swing("asymmetry_60", asymmetry(60), 0.2),
    swing("transition_entropy_20", transition_entropy(20) - 0.96, 0.03),
    swing("time_order_30", time_correlation(30), 0.8),
    swing("closing_order_60", closing_order(60) - 0.7, 0.1),
    swing("roughness_60", roughness(60) - 0.36, 0.08),
    swing("reversal_60", reversal(60) + 0.9, 0.04),
    swing("volume_entropy_3_60", ordinal(TURNOVER, 3, 60) - 0.982, 0.01),
    swing("kurtosis_120", kurtosis(120) - 0.25, 0.3),
    swing("gain_loss_60", gain_loss(60), 0.2),
    swing("persistence_20", persistence(20), 0.12),
    swing("fear_60", fear(60), 0.1),
    swing("sign_entropy_60", sign_entropy(60) - 0.98, 0.015),
    swing("skewness_120", skewness(120), 0.5),
    swing("choppiness_60", choppiness(60) - 48.0, 6.0, "percent"),
    swing("tail_share_20", tail_share(20) - 0.3, 0.3),
    swing("quiet_trend_60", quiet_trend(60), 0.25),
    swing("asymmetry_120", asymmetry(120), 0.15),
    swing("leverage_120", leverage(120), 0.25),
    swing("kurtosis_20", kurtosis(20), 0.4),
    swing("closing_order_20", closing_order(20) - 0.7, 0.15),
    swing("breaches_20", breaches(20), 0.1),
    swing("roughness_120", roughness(120) - 0.37, 0.07),
    swing("entropy_4_60", ordinal(LOG_CLOSE, 4, 60) - 0.87, 0.05),
    swing("reversal_20", reversal(20) + 0.91, 0.06),
    swing("persistence_120", persistence(120) - 0.07, 0.06),
)

_SLOW = SWINGS[::2]
_REST = SWINGS[1::2]

FAMILY = Family(
    "regime",
    merge(
        product("regime", _SLOW, ALL),
        product("regime", _REST, (LEVEL, SLOPE, PERCENTILE, DURATION)),
    ),
)
