"""Indicators against the recipes in their authors' books, bar by bar."""

from math import log, sqrt

import numpy as np
import polars as pl
import pytest

from mlxts.features.base_quantities import atr, close_location, ema, sigma, sma
from mlxts.features.families import breakouts, drawdown, oscillators, trend, volatility, volume
from mlxts.features.quantity import Quantity
from tests.features.bars import path
from tests.features.evaluation import evaluate

BARS = path(600, seed=11, flat=0.03)
LIVELY = path(600, seed=12, flat=0.0)
Array = np.ndarray


def _columns(bars: pl.DataFrame) -> tuple[Array, ...]:
    return tuple(bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))


def _agrees(
    quantity: Quantity, expected: Array, bars: pl.DataFrame = LIVELY, rtol: float = 1e-9, **within
) -> None:
    np.testing.assert_allclose(evaluate(bars, quantity), expected, rtol=rtol, **within)


def _smoothed(values: Array, first: int, bars: int, alpha: float) -> Array:
    """Exponential mean that starts as the plain mean of the `bars` values from `first` on."""
    start = first + bars - 1
    result = np.full(len(values), np.nan)
    result[start] = values[first : start + 1].mean()
    for t in range(start + 1, len(values)):
        result[t] = result[t - 1] + alpha * (values[t] - result[t - 1])
    return result


def _wilder(values: Array, first: int, bars: int) -> Array:
    return _smoothed(values, first, bars, 1.0 / bars)


def _true_range(bars: pl.DataFrame) -> Array:
    _, high, low, close, _ = _columns(bars)
    before = np.concatenate([[np.nan], close[:-1]])
    return np.fmax(high, before) - np.fmin(low, before)


def _windows(bars: int, value) -> Array:
    """value(slice) of each full window of so many bars."""
    result = np.full(LIVELY.height, np.nan)
    for t in range(bars - 1, LIVELY.height):
        result[t] = value(slice(t - bars + 1, t + 1))
    return result


@pytest.mark.parametrize("span", [5, 20, 100])
def test_ema_is_the_native_recipe(span: int) -> None:
    """Nulls, then the plain mean, then Polars' own exponential mean without adjustment."""
    close = BARS["close"]
    seed = close.head(span).mean()
    native = pl.concat([pl.Series("close", [seed]), close.slice(span)]).ewm_mean(
        span=span, adjust=False
    )
    expected = np.concatenate([np.full(span - 1, np.nan), native.to_numpy()])
    _agrees(ema(span), expected, BARS, rtol=1e-12)


@pytest.mark.parametrize("bars", [2, 14, 30])
def test_rsi_is_wilders(bars: int) -> None:
    move = np.diff(LIVELY["close"].to_numpy(), prepend=np.nan)
    up = _wilder(np.fmax(move, 0.0), 1, bars)
    down = _wilder(np.fmax(-move, 0.0), 1, bars)
    _agrees(50.0 + oscillators.rsi(bars), 100.0 * up / (up + down), rtol=1e-12)


@pytest.mark.parametrize("bars", [5, 14, 50])
def test_atr_is_wilders(bars: int) -> None:
    _agrees(atr(bars), _wilder(_true_range(BARS), 1, bars), BARS, rtol=1e-12)


def test_macd_is_the_gap_of_two_emas_and_its_histogram_less_its_own_ema() -> None:
    close = LIVELY["close"].to_numpy()
    line = _smoothed(close, 0, 12, 2 / 13) - _smoothed(close, 0, 26, 2 / 27)
    signal = _smoothed(line, 25, 9, 2 / 10)
    scale = _wilder(_true_range(LIVELY), 1, 14)
    _agrees(oscillators.macd_histogram(12, 26, 9), (line - signal) / scale, rtol=1e-8, atol=1e-11)


def test_adx_is_wilders() -> None:
    _, high, low, _, _ = _columns(LIVELY)
    bars, rows = 14, len(high)
    up, down = np.diff(high, prepend=np.nan), -np.diff(low, prepend=np.nan)
    plus = np.where((up > down) & (up > 0), up, 0.0)
    minus = np.where((down > up) & (down > 0), down, 0.0)
    moved = _true_range(LIVELY)
    sums = [values[1:bars].sum() for values in (plus, minus, moved)]
    strength, gap = np.full(rows, np.nan), np.full(rows, np.nan)
    for t in range(bars, rows):
        sums = [s - s / bars + v[t] for s, v in zip(sums, (plus, minus, moved), strict=True)]
        rise, fall = 100 * sums[0] / sums[2], 100 * sums[1] / sums[2]
        strength[t], gap[t] = 100 * abs(rise - fall) / (rise + fall), rise - fall
    _agrees(oscillators.directional_movement(bars), gap, atol=1e-9)
    _agrees(oscillators.adx(bars), _wilder(strength, bars, bars), rtol=1e-9)


def test_cci_is_lamberts() -> None:
    _, high, low, close, _ = _columns(LIVELY)
    typical = (high + low + close) / 3

    def value(window: slice) -> float:
        recent = typical[window]
        return (recent[-1] - recent.mean()) / (0.015 * np.abs(recent - recent.mean()).mean())

    _agrees(oscillators.cci(20), _windows(20, value), rtol=1e-7, atol=1e-7)


def test_bollinger_standing_is_in_population_deviations() -> None:
    close = LIVELY["close"].to_numpy()
    expected = _windows(20, lambda w: (close[w][-1] - close[w].mean()) / close[w].std())
    _agrees(oscillators.standing(20), expected, rtol=1e-7)


def test_stochastic_is_lanes() -> None:
    _, high, low, close, _ = _columns(LIVELY)

    def value(w: slice) -> float:
        return 100 * (close[w][-1] - low[w].min()) / (high[w].max() - low[w].min()) - 50

    _agrees(oscillators.stochastic(14), _windows(14, value), atol=1e-9)


@pytest.mark.parametrize("bars", [14, 25, 50])
def test_aroon_counts_bars_since_the_extremes(bars: int) -> None:
    _, high, low, _, _ = _columns(BARS)

    def value(w: slice) -> float:
        since_high = list(high[w][::-1]).index(high[w].max())
        since_low = list(low[w][::-1]).index(low[w].min())
        return 100.0 * (since_low - since_high) / bars

    _agrees(oscillators.aroon(bars), _windows(bars + 1, value), BARS, atol=1e-12)


def test_mfi_weighs_typical_prices_by_volume() -> None:
    _, high, low, close, traded = _columns(BARS)
    typical = (high + low + close) / 3
    move = np.diff(typical, prepend=np.nan)

    def value(w: slice) -> float:
        money, direction = (typical * traded)[w], move[w]
        up, down = money[direction > 0].sum(), money[direction < 0].sum()
        return 100.0 * up / (up + down) - 50.0 if up + down else 0.0

    expected = _windows(14, value)
    expected[13] = np.nan  # the first bar has no move
    _agrees(volume.money_flow_index(14), expected, BARS, atol=1e-8)


def test_obv_flow_is_the_change_of_on_balance_volume() -> None:
    _, _, _, close, traded = _columns(BARS)
    balance = np.cumsum(np.sign(np.diff(close, prepend=close[0])) * traded)
    expected = np.full(BARS.height, np.nan)
    for t in range(20, BARS.height):
        expected[t] = (balance[t] - balance[t - 20]) / traded[t - 19 : t + 1].sum()
    _agrees(volume.balance(20), expected, BARS, atol=1e-9)


def test_chaikin_money_flow() -> None:
    _, high, low, close, traded = _columns(LIVELY)
    weight = (2 * close - high - low) / (high - low)
    expected = _windows(20, lambda w: (weight * traded)[w].sum() / traded[w].sum())
    _agrees(volume.chaikin(20), expected, atol=1e-9)


def test_linear_regression_ends_where_least_squares_do() -> None:
    close = LIVELY["close"].to_numpy()
    steps = np.arange(20)
    expected = _windows(20, lambda w: np.polyval(np.polyfit(steps, close[w], 1), 19))
    _agrees(trend.linear_regression(20), expected, rtol=1e-8)
    correlation = _windows(20, lambda w: np.corrcoef(steps, close[w])[0, 1])
    _agrees(oscillators.time_correlation(20), correlation, atol=1e-6)


def test_efficiency_is_kaufmans() -> None:
    close = LIVELY["close"].to_numpy()
    expected = _windows(
        21, lambda w: (close[w][-1] - close[w][0]) / np.abs(np.diff(close[w])).sum()
    )
    _agrees(oscillators.efficiency(20), expected, atol=1e-9)


def test_range_based_volatilities_are_their_papers() -> None:
    opened, high, low, close, _ = _columns(LIVELY)
    wide, body = np.log(high / low), np.log(close / opened)
    up, down = np.log(high / opened), np.log(low / opened)
    gap = np.log(opened[1:] / close[:-1])
    gap = np.concatenate([[np.nan], gap])
    klass = 0.5 * wide**2 - (2 * log(2) - 1) * body**2
    satchell = up * (up - body) + down * (down - body)
    k = 0.34 / (1.34 + 21 / 19)

    def zhang(w: slice) -> float:
        return sqrt(gap[w].var() + k * body[w].var() + (1 - k) * satchell[w].mean())

    _agrees(
        volatility.parkinson(10), _windows(10, lambda w: sqrt((wide[w] ** 2).mean() / (4 * log(2))))
    )
    _agrees(volatility.garman_klass(20), _windows(20, lambda w: sqrt(klass[w].mean())))
    _agrees(volatility.rogers_satchell(20), _windows(20, lambda w: sqrt(satchell[w].mean())))
    expected = _windows(20, zhang)
    _agrees(volatility.yang_zhang(20), expected, rtol=1e-8)


def test_a_long_window_starts_with_what_there_is() -> None:
    close = LIVELY["close"].to_numpy()
    expected = [np.nan] * 59 + [close[max(0, t - 199) : t + 1].mean() for t in range(59, 600)]
    _agrees(sma(200), np.array(expected))


def test_drawdown_is_the_log_distance_to_the_best_close() -> None:
    close = LIVELY["close"].to_numpy()
    best = np.array([close[max(0, t - 19) : t + 1].max() for t in range(600)])
    expected = np.where(np.arange(600) < 19, np.nan, np.log(best / close))
    _agrees(drawdown.Depth(20).value, expected, atol=1e-12)
    worst = np.array([close[max(0, t - 19) : t + 1].min() for t in range(600)])
    expected = np.where(np.arange(600) < 19, np.nan, np.log(close / worst))
    _agrees(drawdown.Depth(20, mirrored=True).value, expected, atol=1e-12)


def test_a_channel_position_runs_from_0_to_100() -> None:
    place = evaluate(LIVELY, breakouts.position(breakouts.Channel(20)))[19:]
    assert place.min() >= 0.0
    assert place.max() <= 100.0
    assert (place == 100.0).any() or place.max() > 95.0


def test_where_nothing_moves_ratios_are_neutral() -> None:
    still = path(300, seed=0, flat=0.0).with_columns(
        *(pl.lit(50.0).alias(name) for name in ("open", "high", "low", "close")),
        pl.lit(0.0).alias("volume"),
    )
    for quantity in (
        oscillators.rsi(14), oscillators.cci(20), oscillators.standing(20),
        oscillators.stochastic(14), oscillators.efficiency(20), oscillators.aroon(25),
        volume.money_flow_index(14), volume.balance(20), close_location(), sigma(20),
    ):  # fmt: skip
        values = evaluate(still, quantity)
        assert set(values[~np.isnan(values)]) == {0.0}, quantity.formula
