"""Calendar: the position of a bar's date in its week, month, quarter and year."""

from math import pi

import polars as pl

from mlxts.features.feature import Family, Feature, Unit
from mlxts.features.quantity import Quantity

_DATE = pl.col("date")


def _dated(expr: pl.Expr, formula: str, warmup: int = 0) -> Quantity:
    return Quantity(expr.cast(pl.Float64), formula, warmup)


_WEEKDAY = _dated(_DATE.dt.weekday(), "weekday(date)").named("weekday")  # Monday is 1
_DAY = _dated(_DATE.dt.day(), "day(date)").named("day")
_MONTH_DAYS = _dated(_DATE.dt.days_in_month(), "days_in_month(date)").named("days_in_month")
_YEAR_DAY = _dated(_DATE.dt.ordinal_day(), "ordinal_day(date)").named("ordinal_day")
_WAIT = _dated((_DATE - _DATE.shift(1)).dt.total_days(), "days(date - lag(date, 1))", 1).named(
    "days_since_last_bar"
)
_IN_MONTH = ((_DAY - 0.5) / _MONTH_DAYS).named("share_of_month")
_QUARTER_MONTH = _dated((_DATE.dt.month() - 1) % 3, "(month(date) - 1) % 3").named(
    "month_of_quarter"
)


def _wave(phase: Quantity, *, cosine: bool, times: float = 1.0) -> Quantity:
    angle = phase.expr * (2.0 * pi * times)
    name = "cos" if cosine else "sin"
    expr = angle.cos() if cosine else angle.sin()
    return Quantity(expr, f"{name}({2 * times:g} pi {phase.formula})", phase.warmup, phase.columns)


_WEEK_PHASE = (_WEEKDAY * 0.2).named("phase_of_week")
_YEAR_PHASE = (_YEAR_DAY * (1 / 365.25)).named("phase_of_year")
_QUARTER_PHASE = ((_QUARTER_MONTH + _IN_MONTH) * (1 / 3)).named("phase_of_quarter")
# Days from the month's third Friday, when monthly options expire: it falls on the 15th to 21st.
_EXPIRY = (
    15.0
    + _dated(
        (5 - (_DATE.dt.truncate("1mo") + pl.duration(days=14)).dt.weekday()) % 7,
        "days from the 15th to the Friday after",
    )
    - _DAY
).named("days_to_expiry")


def _row(name: str, relation: str, unit: Unit, quantity: Quantity) -> Feature:
    return Feature(name, "calendar", relation, unit, quantity)


# By priority.
FAMILY = Family(
    "calendar",
    (
        _row("week_sin", "position", "ratio", _wave(_WEEK_PHASE, cosine=False)),
        _row("month_position", "position", "ratio", _IN_MONTH),
        _row("year_sin", "position", "ratio", _wave(_YEAR_PHASE, cosine=False)),
        _row("year_cos", "position", "ratio", _wave(_YEAR_PHASE, cosine=True)),
        _row("week_cos", "position", "ratio", _wave(_WEEK_PHASE, cosine=True)),
        _row("days_since_last_bar", "duration", "bars", _WAIT),
        _row("expiry_distance", "distance", "bars", _EXPIRY),
        _row("month_turn", "proximity", "ratio", _wave(_IN_MONTH, cosine=True)),
        _row("quarter_sin", "position", "ratio", _wave(_QUARTER_PHASE, cosine=False)),
        _row("quarter_cos", "position", "ratio", _wave(_QUARTER_PHASE, cosine=True)),
        _row("half_year_sin", "position", "ratio", _wave(_YEAR_PHASE, cosine=False, times=2)),
        _row("half_year_cos", "position", "ratio", _wave(_YEAR_PHASE, cosine=True, times=2)),
        _row("week_position", "position", "ratio", _WEEKDAY * 0.25 - 0.25),
        _row("month_wave", "position", "ratio", _wave(_IN_MONTH, cosine=False)),
        _row("quarter_position", "position", "ratio", _QUARTER_PHASE * 1.0),
    ),
)
