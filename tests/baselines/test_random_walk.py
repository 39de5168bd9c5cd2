"""The closed forms against simulated paths, and GARCH's filter against `arch`."""

import numpy as np
import polars as pl
import pytest
from arch import arch_model

from mlxts.baselines import random_walk
from mlxts.baselines.registry import ON_REQUEST
from tests.evaluation import worlds

PATHS, STEPS = 20_000, 100


@pytest.fixture(scope="module")
def paths() -> np.ndarray:
    """(paths, steps) log prices of a walk with drift 0.02 and deviation 0.1 over the horizon."""
    shocks = np.random.default_rng(0).normal(size=(PATHS, STEPS))
    return np.cumsum(0.02 / STEPS + 0.1 / np.sqrt(STEPS) * shocks, axis=1)


@pytest.mark.parametrize("looks", [20, 50, 100])
@pytest.mark.parametrize("barrier", [0.05, 0.1, 0.15])
def test_a_walk_that_is_looked_at_now_and_then_touches_as_often_as_said(paths, looks, barrier):
    seen = paths[:, STEPS // looks - 1 :: STEPS // looks]
    happened = (seen.max(axis=1) >= barrier).mean()
    said = random_walk.touch(barrier, np.array([0.02]), np.array([0.1]), step=1 / looks)[0]
    assert said == pytest.approx(happened, abs=0.012)


def test_a_walk_that_is_always_watched_touches_as_often_as_its_bridges(paths):
    before = np.column_stack([np.zeros(PATHS), paths[:, :-1]])
    gap = 2 * (0.1 - before) * (0.1 - paths) / (0.01 / STEPS)
    stays = np.where((before < 0.1) & (paths < 0.1), -np.expm1(-gap), 0.0).prod(axis=1)
    said = random_walk.touch(0.1, np.array([0.02]), np.array([0.1]))[0]
    assert said == pytest.approx(1.0 - stays.mean(), abs=0.01)


def test_the_mean_logarithm_of_a_walks_range_is_that_of_simulated_bridges():
    """Between two looks the extremes are those of a Brownian bridge, drawn exactly."""
    rng, steps = np.random.default_rng(1), 200
    ends = np.cumsum(rng.normal(size=(20_000, steps)) / np.sqrt(steps), axis=1)
    begins = np.column_stack([np.zeros(len(ends)), ends[:, :-1]])
    lows, highs = (
        0.5 * (begins + ends + sign * np.sqrt((ends - begins) ** 2 + 2 * extra / steps))
        for sign, extra in ((side, rng.exponential(size=ends.shape)) for side in (-1.0, 1.0))
    )
    found = np.log(highs.max(axis=1) - lows.min(axis=1)).mean()
    assert found == pytest.approx(random_walk.LOG_RANGE, abs=0.01)


def test_one_look_is_at_the_end():
    said = random_walk.touch(0.1, np.array([0.02]), np.array([0.1]), step=1.0)
    assert said == pytest.approx(0.211855, abs=1e-6)


def test_without_drift_it_is_twice_the_chance_of_ending_beyond():
    said = random_walk.touch(0.1, np.zeros(1), np.array([0.1]))
    assert said == pytest.approx(2 * 0.158655, abs=1e-5)


@pytest.mark.parametrize("drift", [-1.0, 0.0, 1.0])
def test_no_volatility_is_no_overflow(drift):
    said = random_walk.touch(0.01, np.array([drift]), np.array([1e-9]))
    assert said == pytest.approx(float(drift > 0.01))


def test_garch_forecasts_what_arch_forecasts():
    world = worlds.world(worlds.market(1500, seed=8), horizon=5)
    daily, train = world.daily, world.samples["train"]
    rows = np.arange(daily.height)
    returns = random_walk._returns(daily, rows)
    fitted = random_walk._fit_filter(
        returns[random_walk._training_days(world, train, "A", rows)], "garch"
    )
    model = arch_model(returns[1:], mean="Constant", vol="GARCH", p=1, q=1, rescale=False)
    fixed = model.fix([100 * fitted.drift, fitted.omega, fitted.alpha, fitted.beta])
    expected = fixed.forecast(horizon=5, start=500).variance.to_numpy().mean(axis=1)
    # How the filter began is forgotten after some hundred days.
    np.testing.assert_allclose(
        random_walk._mean_variance(fitted, returns, 5)[501:], expected, rtol=1e-6
    )


def test_ewma_is_the_volatility_of_risk_metrics():
    bars = worlds.market(600, seed=9)
    returns = random_walk._returns(bars, np.arange(bars.height))
    found = random_walk._mean_variance(
        random_walk.VolatilityFilter(0.0, 0.0, 0.06, 0.94, 1.0), returns, 3
    )
    weights = 0.94 ** np.arange(599)[::-1]
    assert found[-1] == pytest.approx(np.average(returns[1:] ** 2, weights=weights))


def test_bars_that_show_only_closes_are_watched_once_a_day():
    bars = worlds.market(500, seed=10)
    closes = bars.with_columns(open="close", high=pl.col("close"), low=pl.col("close"))
    said = {}
    for name, of in {"highs": bars, "closes": closes}.items():
        world = worlds.world(of, horizon=2)
        assert random_walk._only_closes(world.daily, world.samples["train"]) == (name == "closes")
        said[name] = ON_REQUEST["ewma_random_walk"].fit(world)(world.samples["validation"])
    assert (said["closes"] < said["highs"]).all()
