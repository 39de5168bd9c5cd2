"""Forecasts that knew the future, or are dated wrongly, and those that only look like it."""

import numpy as np
import pytest

from mlxts.evaluation import lookahead
from mlxts.protocol import TASKS

TOUCH, DIRECTION = TASKS["threshold_1pct"], TASKS["direction"]
HONEST = {"interval": {"log_loss_skill": [-0.02, 0.06], "mse_skill": [-0.01, 0.01]}}


def har(days: int, seed: int) -> np.ndarray:
    """What HAR says: a slow part, and a jolt from each day's range."""
    rng = np.random.default_rng(seed)
    spans = np.zeros(days + 22)
    for t in range(1, days + 22):
        spans[t] = 0.97 * spans[t - 1] + 0.2 * rng.normal()
    spans += 0.4 * rng.normal(size=days + 22)
    means = [np.convolve(spans, np.ones(n) / n)[21 : 21 + days] for n in (1, 5, 22)]
    return 0.3 * means[0] + 0.5 * means[1] + 0.6 * means[2]


def seen(forecast: np.ndarray, reference: np.ndarray, overlap: int = 1, figures=HONEST, task=TOUCH):
    return lookahead.suspicions(forecast, reference, figures, task, overlap)


@pytest.mark.parametrize("days", [120, 501, 5000])
def test_forecasts_that_read_the_day_they_bear_are_not_suspected(days):
    for seed in range(20):
        rng, said = np.random.default_rng(seed), har(days, seed)
        noisy = said + rng.normal(scale=0.3, size=days)
        weekly = np.repeat(said[::5], 5)[:days]
        for forecast in (said, 0.2 * said - 1.0, noisy, rng.normal(size=days), weekly):
            assert seen(forecast, said) == []
        assert seen(np.zeros(days), said) == []


@pytest.mark.parametrize("days", [120, 501, 5000])
@pytest.mark.parametrize("shift", [1, 3])
def test_forecasts_of_later_days_and_stale_ones_are_told_apart(days, shift):
    for seed in range(10):
        rng, said = np.random.default_rng(seed), har(days + shift, seed)
        noise = rng.normal(scale=0.05, size=days)
        (early,) = seen(said[shift:] + noise, said[:-shift], overlap=shift)
        assert early.voids
        assert "knows days after the date" in early.reason
        (late,) = seen(said[:-shift] + noise, said[shift:], overlap=shift)
        assert not late.voids
        assert "dated by the day its label ends" in late.reason


def test_a_skill_that_nothing_known_comes_near_is_suspected():
    said = har(501, 0)
    for task, low, suspected in (
        (TOUCH, 0.20, False),
        (TOUCH, 0.30, True),
        (DIRECTION, 0.03, False),
        (DIRECTION, 0.10, True),
    ):
        figures = {"reference": "linear", "interval": {"log_loss_skill": [low, low + 0.05]}}
        found = seen(said, said, figures=figures, task=task)
        assert bool(found) == suspected
        if found:
            assert "better than linear by" in found[0].reason
            assert found[0].voids


def test_on_a_simulated_market_the_best_possible_forecast_is_the_limit():
    said = har(501, 0)
    figures = {"interval": {"log_loss_skill": [0.4, 0.5]}}
    assert seen(said, said, figures=figures | {"better_than_oracle": False}) == []
    (found,) = seen(said, said, figures=figures | {"better_than_oracle": True})
    assert "the best possible forecast of this market" in found.reason


def test_without_har_only_the_skill_is_judged():
    assert lookahead.suspicions(har(501, 0), None, HONEST, TOUCH, 1) == []
