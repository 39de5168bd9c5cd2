"""Streaks and memory: runs of one sign, autocorrelation of returns, ranks of single returns."""

from mlxts.features import kernels
from mlxts.features import relations as to
from mlxts.features.base_quantities import (
    ABSOLUTE_RETURN,
    CLOSE,
    HIGH,
    LOG_CLOSE,
    LOG_RANGE,
    LOW,
    OPEN,
    PERCENT,
    RETURN,
    RETURN_SIGN,
    SCALED_RETURN,
    SIGN_TURN,
    TEMPERED_RETURN,
    TRUE_RANGE,
    VOLUME,
    mean_volume,
    per_return_sigma,
    sigma,
)
from mlxts.features.families.swing import DURATION, LEVEL, PERCENTILE, SLOPE, Z_SCORE, swing
from mlxts.features.feature import Family, Feature, merge, product
from mlxts.features.quantity import Quantity, inverse

_RUN = RETURN_SIGN.through(kernels.run_length, "run_length").named("return_run")


def _share_up(bars: int) -> Quantity:
    return RETURN_SIGN.mean(bars)


def _longest(bars: int) -> Quantity:
    """Longest run up less longest run down."""
    up, down = _RUN.highest(bars).clip(0.0), (0.0 - _RUN.lowest(bars)).clip(0.0)
    return up - down


def _variance_ratio(step: int, bars: int) -> Quantity:
    """Lo and MacKinlay 1988: log of the variance of multi-bar returns over that of single ones."""
    long = LOG_CLOSE.change(step).named(f"log_return_{step}").std(bars)
    return to.relative((long * step**-0.5).staged(), RETURN.std(bars).staged(), 1e-7)


def _after(sign: int, bars: int) -> Quantity:
    """Mean return after an up (down) bar, in deviations of a return."""
    follows = (RETURN_SIGN * float(sign)).clip(0.0).lag(1).staged()
    total = (RETURN * follows).staged().total(bars)
    return to.share(total, follows.total(bars).staged(), 0.5) * per_return_sigma(60)


# By priority: (name, value, what counts as extreme).
SWINGS = (
    swing("return_1", RETURN * per_return_sigma(20), 1.5, "sigma"),
    swing("sign_share_20", _share_up(20), 0.3),
    swing("autocorrelation_1_60", to.autocorrelation(TEMPERED_RETURN, 1, 60), 0.2),
    swing("sign_share_5", _share_up(5), 0.6),
    swing("variance_ratio_5_60", _variance_ratio(5, 60), 0.3),
    swing("longest_run_20", _longest(20), 3.0),
    swing("turn_share_20", SIGN_TURN.mean(20) - 0.5, 0.15),
    swing("absolute_autocorrelation_1_60", to.autocorrelation(ABSOLUTE_RETURN, 1, 60), 0.2),
    swing("sign_share_60", _share_up(60), 0.15),
    swing("autocorrelation_1_20", to.autocorrelation(TEMPERED_RETURN, 1, 20), 0.3),
    swing("after_up_60", _after(1, 60), 0.2, "sigma"),
    swing("after_down_60", _after(-1, 60), 0.2, "sigma"),
    swing("variance_ratio_10_120", _variance_ratio(10, 120), 0.3),
    swing("range_autocorrelation_1_60", to.autocorrelation(LOG_RANGE, 1, 60), 0.4),
    swing("autocorrelation_2_60", to.autocorrelation(TEMPERED_RETURN, 2, 60), 0.2),
    swing("sign_share_10", _share_up(10), 0.4),
    swing("turn_share_60", SIGN_TURN.mean(60) - 0.5, 0.1),
    swing("longest_run_60", _longest(60), 3.0),
    swing("autocorrelation_5_60", to.autocorrelation(TEMPERED_RETURN, 5, 60), 0.2),
    swing("variance_ratio_2_60", _variance_ratio(2, 60), 0.15),
    swing("autocorrelation_1_120", to.autocorrelation(TEMPERED_RETURN, 1, 120), 0.15),
    swing("absolute_autocorrelation_5_60", to.autocorrelation(ABSOLUTE_RETURN, 5, 60), 0.2),
    swing("after_up_20", _after(1, 20), 0.3, "sigma"),
    swing("after_down_20", _after(-1, 20), 0.3, "sigma"),
    swing("variance_ratio_5_20", _variance_ratio(5, 20), 0.4),
    swing("sign_share_120", _share_up(120), 0.12),
    swing("autocorrelation_3_60", to.autocorrelation(TEMPERED_RETURN, 3, 60), 0.2),
    swing("absolute_autocorrelation_1_120", to.autocorrelation(ABSOLUTE_RETURN, 1, 120), 0.2),
    swing("variance_ratio_20_120", _variance_ratio(20, 120), 0.4),
    swing("turn_share_10", SIGN_TURN.mean(10) - 0.5, 0.25),
    swing("autocorrelation_2_120", to.autocorrelation(TEMPERED_RETURN, 2, 120), 0.15),
    swing("range_autocorrelation_5_60", to.autocorrelation(LOG_RANGE, 5, 60), 0.3),
    swing("longest_run_120", _longest(120), 3.0),
    swing("autocorrelation_5_120", to.autocorrelation(TEMPERED_RETURN, 5, 120), 0.15),
    swing("variance_ratio_2_20", _variance_ratio(2, 20), 0.25),
)

# By priority: what runs.
_RUNS: tuple[tuple[str, Quantity], ...] = (
    ("close", RETURN),
    ("high", HIGH.change(1) * PERCENT),
    ("low", LOW.change(1) * PERCENT),
    ("body", (CLOSE - OPEN) * PERCENT),
    ("range", TRUE_RANGE.change(1) * PERCENT),
    ("volume", to.share(VOLUME.change(1), mean_volume(60), 0.0)),
    ("open", OPEN.change(1) * PERCENT),
    ("size", ABSOLUTE_RETURN.change(1)),
    ("week", LOG_CLOSE.change(5)),
    ("calm", ABSOLUTE_RETURN - sigma(60)),
    ("month", LOG_CLOSE.change(21)),
    ("gap", (OPEN - CLOSE.lag(1)) * PERCENT),
    ("day_over_day_before", LOG_CLOSE.change(2)),
    ("acceleration", RETURN.change(1)),
)


def _run_return() -> Quantity:
    """Return since the present run of closes began (at most 20 bars of it), in deviations."""
    total = SCALED_RETURN.running_total().named("scaled_total")
    before_today = total.lag(1).staged()
    steps = [before_today.lag(bars - 1) if bars > 1 else before_today for bars in (1, 2, 3, 4, 5)]
    return total - _nearest(steps)


def _nearest(steps: list[Quantity]) -> Quantity:
    """The step that the length of the present run (at most their count) picks."""
    length = _RUN.abs().clip(1.0, float(len(steps))).named("short_run")
    result = steps[0]
    for place, (step, before) in enumerate(zip(steps[1:], steps, strict=False), start=1):
        result = result + (step - before) * (length - place).clip(0.0, 1.0)
    return result


def _runs() -> tuple[Feature, ...]:
    made = [
        Feature(f"{name}_run", "streaks", "duration", "bars", to.duration(value.staged()))
        for name, value in _RUNS
    ]
    made += [
        Feature("run_return_sigma", "streaks", "position", "sigma", _run_return()),
        Feature("return_acceleration", "streaks", "acceleration", "sigma",
                RETURN.change(1) * per_return_sigma(20)),
        Feature("outlier_recency", "streaks", "recency", "bars",
                to.zone_recency(SCALED_RETURN, -2.0, 2.0)),
        Feature("jump_recency", "streaks", "recency", "bars",
                to.zone_recency(RETURN * inverse(sigma(20).lag(1), 1e-7), -2.5, 2.5)),
        Feature("calm_recency", "streaks", "recency", "bars",
                (0.1 - SCALED_RETURN.abs()).positive().through(kernels.age, "age")),
    ]  # fmt: skip
    made += [
        Feature(f"return_lag_{lag}", "streaks", "position", "sigma", SCALED_RETURN.lag(lag))
        for lag in (1, 2, 3, 4, 5)
    ]
    return tuple(made)


FAMILY = Family(
    "streaks",
    merge(
        product("streaks", SWINGS, (LEVEL, SLOPE, PERCENTILE, DURATION, Z_SCORE)),
        _runs(),
    ),
)
