"""The recursion over days against closed forms and against simulated paths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from mlxts.simulation import first_passage, price_path
from mlxts.simulation.first_passage import Day

STILL = ((1.0,),)


def reflection(drift: float, volatility: float, b: float, horizon: int) -> float:
    """P(max of a Brownian motion with drift >= b) by the reflection principle."""
    s, m = volatility * np.sqrt(horizon), drift * horizon
    mirrored = np.exp(2 * drift * b / volatility**2) * norm.cdf((-b - m) / s)
    return float(norm.cdf((-b + m) / s) + mirrored)


@settings(max_examples=30, deadline=None)
@given(
    drift=st.floats(-3, 3),
    volatility=st.floats(0.004, 0.03),
    threshold=st.sampled_from([0.01, 0.02, 0.05]),
    horizon=st.sampled_from([1, 2, 5, 21]),
)
def test_a_constant_drift_is_the_reflection_principle(drift, volatility, threshold, horizon):
    day, b = Day(drift * volatility, volatility, volatility), np.log1p(threshold)
    expected = reflection(day.mean, volatility, b, horizon)
    assert first_passage.touch((day,), STILL, b, horizon)[0] == pytest.approx(expected, abs=1e-10)


def test_days_that_change_their_drift_agree_with_simulated_ones() -> None:
    """An uncertain drift, two regimes, a chain between them; 400,000 paths of five days."""
    rng, n, horizon, b = np.random.default_rng(5), 400_000, 5, np.log(1.03)
    days = (Day(-0.004, 0.012, 0.010), Day(0.006, 0.02, 0.016))
    move = ((0.7, 0.3), (0.4, 0.6))
    exact = first_passage.touch(days, move, b, horizon)
    for begin in (0, 1):
        state = np.full(n, begin)
        log_price, top = np.zeros(n), np.full(n, -np.inf)
        for _ in range(horizon):
            mean, spread, v = (
                np.array([getattr(d, name) for d in days])[state]
                for name in ("mean", "spread", "volatility")
            )
            drift = mean + np.sqrt(spread**2 - v**2) * rng.standard_normal(n)
            drawn = price_path.Noise(
                rng, rng.standard_normal(n), 1 - rng.random(n), np.ones(n), mean
            )
            moved = price_path.moves(drift, v, drawn)
            top = np.maximum(top, log_price + moved.high)
            log_price += moved.close
            state = (rng.random(n) < np.array(move)[state, 1]).astype(int)
        seen = float((top >= b).mean())
        assert abs(seen - exact[begin]) < 4 * np.sqrt(exact[begin] * (1 - exact[begin]) / n)


def test_a_first_day_of_its_own_joins_the_days_behind_it() -> None:
    b, day = np.log(1.02), Day(0.003, 0.01, 0.01)
    after = first_passage.survival((day,), STILL, b, 21)
    for horizon in (1, 2, 21):
        same = first_passage.touch_from(np.array([day.mean, day.mean]), day, after, horizon)
        expected = reflection(day.mean, day.volatility, b, horizon)
        np.testing.assert_allclose(same, expected, atol=1e-10)
    falling, rising = first_passage.touch_from(np.array([-0.02, 0.02]), day, after, 1)
    assert falling == pytest.approx(reflection(-0.02, 0.01, b, 1), abs=1e-10)
    assert rising == pytest.approx(reflection(0.02, 0.01, b, 1), abs=1e-10)


def test_highs_and_lows_have_the_law_of_a_brownian_bridge() -> None:
    """P(max of W over a day >= b) = 2 Phi(-b/s), and the minimum mirrors it."""
    s = 0.01
    moved = price_path.moves(0.0, s, price_path.noise(200_000, seed=3, stream=0))
    for reach in (moved.high, -moved.low):
        for b in (0.002, 0.01, 0.02):
            p = 2 * norm.sf(b / s)
            assert abs((reach >= b).mean() - p) < 4 * np.sqrt(p * (1 - p) / len(reach))
