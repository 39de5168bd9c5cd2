"""Range, candle and gap structure: the shape of single bars and what shapes have been usual."""

from mlxts.features import kernels
from mlxts.features import relations as to
from mlxts.features.base_quantities import (
    CLOSE,
    FLAT,
    HIGH,
    LOW,
    OPEN,
    PERCENT,
    TRUE_RANGE,
    close_location,
    per_atr,
)
from mlxts.features.families.swing import FEW, swing
from mlxts.features.feature import Family, Feature, merge, product
from mlxts.features.quantity import Quantity, inverse, maximum, minimum

_ATR = per_atr()
_PAST_ATR = _ATR.lag(1).named("per_past_atr")  # what was usual before this bar
_PER_RANGE = inverse(HIGH - LOW, FLAT).named("per_range")
_BODY = (CLOSE - OPEN).named("price_body")
_TOP = maximum(OPEN, CLOSE).named("body_top")
_BOTTOM = minimum(OPEN, CLOSE).named("body_bottom")
_GAP = (OPEN - CLOSE.lag(1)).named("price_gap")
_INSIDE_HIGH = (HIGH.lag(1) - HIGH).named("below_high")
_INSIDE_LOW = (LOW - LOW.lag(1)).named("above_low")

# By priority: (name, value of one bar).
_SHAPES: tuple[tuple[str, Quantity], ...] = (
    ("true_range_atr", TRUE_RANGE * _PAST_ATR - 1.0),
    ("close_location", close_location()),
    ("gap_atr", _GAP * _PAST_ATR),
    ("body_atr", _BODY * _PAST_ATR),
    ("upper_wick", (HIGH - _TOP) * _PER_RANGE - 0.25),
    ("lower_wick", (_BOTTOM - LOW) * _PER_RANGE - 0.25),
    ("body_share", _BODY * _PER_RANGE),
    ("body_size", _BODY.abs() * _PER_RANGE - 0.45),
    ("high_change_atr", HIGH.change(1) * _PAST_ATR),
    ("low_change_atr", LOW.change(1) * _PAST_ATR),
    ("wick_balance", ((_BOTTOM - LOW) - (HIGH - _TOP)) * _PER_RANGE),
    ("overlap", (minimum(HIGH, HIGH.lag(1)) - maximum(LOW, LOW.lag(1))) * _PAST_ATR - 0.5),
    ("open_location", (2.0 * OPEN - HIGH - LOW) * _PER_RANGE),
    ("gap_closed", to.share(CLOSE - OPEN, _GAP.abs() + _BODY.abs(), FLAT)
     * (_GAP * PERCENT).sign()),
)  # fmt: skip
_IN_ATR = {"true_range_atr", "gap_atr", "body_atr", "high_change_atr", "low_change_atr", "overlap"}
_SPANS = (1, 5, 20, 3, 10)

SWINGS = tuple(
    swing(
        f"{name}_{bars}",
        value.named(f"{name}_bar").mean(bars) if bars > 1 else value,
        0.0,
        "ATR" if name in _IN_ATR else "ratio",
    )
    for bars in _SPANS
    for name, value in _SHAPES
)


def _when(*conditions: Quantity) -> Quantity:
    """1 on the bars on which all of these dimensionless values are positive."""
    result = conditions[0].positive()
    for condition in conditions[1:]:
        result = result * condition.positive()
    return result


def _rising(value: Quantity) -> Quantity:
    return value * PERCENT


_WIDE = TRUE_RANGE * _PAST_ATR
_SIGN = (_BODY * PERCENT).sign().named("body_sign")
_LAST_SIGN = _SIGN.lag(1)
_SIZE = (_BODY.abs() * _PAST_ATR).named("body_size_atr")
_UPPER = ((HIGH - _TOP) * _PER_RANGE).named("upper_wick_share")
_LOWER = ((_BOTTOM - LOW) * _PER_RANGE).named("lower_wick_share")
_COVERS = _when((_TOP - _TOP.lag(1)) * PERCENT, (_BOTTOM.lag(1) - _BOTTOM) * PERCENT)
_COVERED = _when((_TOP.lag(1) - _TOP) * PERCENT, (_BOTTOM - _BOTTOM.lag(1)) * PERCENT)
_TURNED = (0.0 - _SIGN * _LAST_SIGN).clip(0.0)


def _narrowest(bars: int) -> Quantity:
    return 1.0 - ((TRUE_RANGE - TRUE_RANGE.lowest(bars)) * PERCENT).positive()


# By priority: patterns, -1, 0 or 1 (or just 0 and 1).
_PATTERNS: tuple[tuple[str, Quantity], ...] = (
    ("engulfing", _SIGN * _COVERS * _TURNED),
    ("wide_bar", _SIGN * (_WIDE - 1.5).positive()),
    ("gap", (_GAP * _PAST_ATR).sign() * ((_GAP * _PAST_ATR).abs() - 0.3).positive()),
    ("inside_bar", _when(_rising(_INSIDE_HIGH), _rising(_INSIDE_LOW))),
    ("outside_bar", _SIGN * _when(0.0 - _rising(_INSIDE_HIGH), 0.0 - _rising(_INSIDE_LOW))),
    ("pin_bar", _when(_LOWER - 0.6) - _when(_UPPER - 0.6)),
    ("doji", _when(0.1 - _BODY.abs() * _PER_RANGE)),
    ("full_body", _SIGN * _when(_BODY.abs() * _PER_RANGE - 0.85)),
    ("narrowest_7", _narrowest(7)),
    ("harami", _SIGN * _COVERED * _TURNED),
    ("key_reversal_up", _when(_rising(LOW.lag(1) - LOW), _rising(CLOSE - HIGH.lag(1)))),
    ("key_reversal_down", _when(_rising(HIGH - HIGH.lag(1)), _rising(LOW.lag(1) - CLOSE))),
    ("three_bodies", (0.5 * (_SIGN + _LAST_SIGN + _SIGN.lag(2)) - 1.0).positive()
     - (-1.0 - 0.5 * (_SIGN + _LAST_SIGN + _SIGN.lag(2))).positive()),
    ("strong_close", (close_location() - 0.9).positive() - (-0.9 - close_location()).positive()),
    ("failed_high", _when(_rising(HIGH - HIGH.lag(1)), _rising(CLOSE.lag(1) - CLOSE))),
    ("failed_low", _when(_rising(LOW.lag(1) - LOW), _rising(CLOSE - CLOSE.lag(1)))),
    ("big_body", _SIGN * (_SIZE - 1.0).positive()),
    ("narrowest_20", _narrowest(20)),
    ("open_gap_held", (_GAP * PERCENT).sign()
     * _when(_rising(_GAP.abs()), _SIGN * (_GAP * PERCENT).sign())),
)  # fmt: skip


def _patterns() -> tuple[Feature, ...]:
    made = []
    for name, value in _PATTERNS:
        pattern = value.named(f"{name}_pattern")
        recency = pattern.through(kernels.signed_age, "signed_age")
        made.append(Feature(f"{name}_recency", "candles", "recency", "bars", recency))
    for bars in (20, 60):
        for name, value in _PATTERNS:
            mean = value.named(f"{name}_pattern").mean(bars)
            made.append(Feature(f"{name}_mean_{bars}", "candles", "position", "ratio", mean))
    return tuple(made)


FAMILY = Family("candles", merge(product("candles", SWINGS, FEW), _patterns()))
