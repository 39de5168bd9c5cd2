"""The stored probabilities against the frequencies of many paths, and against independent sums."""

from datetime import date
from itertools import product

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.stats import norm

from mlxts import protocol
from mlxts.data import calendar
from mlxts.data.sources import simulated
from mlxts.data.sources.base import oracle_column
from mlxts.data.sources.simulated import HORIZONS, MODELS, SimulatedSource, Volatility

BINARY = [task for task in protocol.TASKS.values() if task.kind != "regression"]
LONG = calendar.sessions(date(1960, 1, 1), date(2700, 12, 31))


@pytest.fixture(scope="module", params=["gbm", "sv"])
def path(request: pytest.FixtureRequest) -> tuple[Volatility, pl.DataFrame]:
    """A path of 186,000 days."""
    model = MODELS[request.param]
    return model, simulated.simulate(model, LONG, seed=7)


def outcomes(bars: pl.DataFrame, task: protocol.Task, horizon: int) -> np.ndarray:
    """A naive loop over the definition of the task; the last `horizon` days have none."""
    high, close = bars["high"].to_numpy(), bars["close"].to_numpy()
    n = len(close) - horizon
    if task.threshold is None:
        return close[horizon:] > close[:n]
    best = np.max([high[k : n + k] for k in range(1, horizon + 1)], axis=0)
    return best >= close[:n] * (1 + task.threshold)


@pytest.mark.parametrize("task", BINARY, ids=lambda t: t.name)
@pytest.mark.parametrize("horizon", HORIZONS)
def test_base_rates_are_the_mean_of_the_stored_probabilities(
    path: tuple[Volatility, pl.DataFrame], task: protocol.Task, horizon: int
) -> None:
    """Blocks of 2,000 days give the error of the mean, whatever overlaps within them."""
    _, bars = path
    true = outcomes(bars, task, horizon)
    stored = bars[oracle_column(task.name, horizon)].to_numpy()[: len(true)]
    excess = (true - stored)[: len(true) // 2000 * 2000].reshape(-1, 2000).mean(axis=1)
    assert abs(excess.mean()) < 4 * excess.std(ddof=1) / np.sqrt(len(excess)) + 1e-12


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_frequencies_match_in_each_state(
    path: tuple[Volatility, pl.DataFrame], horizon: int
) -> None:
    """Not only on average: where the stored probability is p, the event happens with p."""
    _, bars = path
    task = protocol.TASKS["threshold_2pct"]
    true = outcomes(bars, task, horizon)[::horizon]  # no overlap
    stored = bars[oracle_column(task.name, horizon)].to_numpy()[: len(LONG) - horizon][::horizon]
    for p in np.unique(stored):
        seen = true[stored == p]
        error = np.sqrt(p * (1 - p) / len(seen))
        # States of days an horizon apart depend on one another a little; 5 leaves room for it.
        assert abs(seen.mean() - p) < 5 * error


@pytest.mark.parametrize("horizon", [1, 2, 5, 8])
def test_days_in_the_high_state_equal_the_sum_over_all_state_paths(horizon: int) -> None:
    model = MODELS["sv"]
    stay = {0: model.stay_low, 1: model.stay_high}
    expected = np.zeros((2, horizon + 1))
    for today, states in product((0, 1), product((0, 1), repeat=horizon)):
        p, before = 1.0, today
        for state in states:
            p *= stay[before] if state == before else 1 - stay[before]
            before = state
        expected[today, sum(states)] += p
    np.testing.assert_allclose(simulated.days_in_high(model, horizon), expected, rtol=1e-12)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_constant_volatility_is_the_reflection_principle(horizon: int) -> None:
    p = simulated.probability(MODELS["gbm"], protocol.TASKS["threshold_1pct"], horizon)
    closed = 2 * norm.sf(np.log(1.01) / (0.01 * np.sqrt(horizon)))
    np.testing.assert_allclose(p, [closed, closed], rtol=1e-12)


def test_the_direction_is_a_coin_and_touching_is_not() -> None:
    bars = SimulatedSource("sv").fetch("SV").frame
    for horizon in HORIZONS:
        assert bars[oracle_column("direction", horizon)].unique().to_list() == [0.5]
        assert bars[oracle_column("threshold_1pct", horizon)].n_unique() == 2
    assert not [name for name in bars.columns if "regression" in name]


def test_probabilities_grow_with_the_horizon_and_fall_with_the_threshold() -> None:
    thresholds = [task for task in BINARY if task.threshold]
    p = np.array(
        [[simulated.probability(MODELS["sv"], t, h) for h in HORIZONS] for t in thresholds]
    )
    assert (np.diff(p, axis=1) > 0).all()
    assert (np.diff(p, axis=0) < 0).all()
    assert (p[..., 1] > p[..., 0]).all()


def test_extremes_bound_the_bar_exactly(path: tuple[Volatility, pl.DataFrame]) -> None:
    _, bars = path
    body = bars.select(
        top=pl.max_horizontal("open", "close"), low=pl.min_horizontal("open", "close")
    )
    assert (bars["high"] >= body["top"]).all()
    assert (bars["low"] <= body["low"]).all()
    assert bars["open"][1:].to_list() == bars["close"][:-1].to_list()


def test_highs_and_lows_have_the_law_of_a_brownian_bridge() -> None:
    """P(max of W over a day >= b) = 2 Phi(-b/s), and the minimum mirrors it."""
    s = MODELS["gbm"].low
    bars = simulated.simulate(MODELS["gbm"], LONG, seed=3)
    for extreme, sign in (("high", 1), ("low", -1)):
        reach = sign * (bars[extreme] / bars["open"]).log().to_numpy()
        for b in (0.002, 0.01, 0.02):
            p = 2 * norm.sf(b / s)
            assert abs((reach >= b).mean() - p) < 4 * np.sqrt(p * (1 - p) / len(reach))


def test_a_longer_path_begins_with_the_shorter_one() -> None:
    short = SimulatedSource("sv", last=date(2000, 6, 30)).fetch("SV").frame
    long = SimulatedSource("sv", last=date(2001, 6, 30)).fetch("SV").frame
    assert_frame_equal(long[: short.height], short)


def test_seed_and_symbol_pick_independent_paths() -> None:
    def returns(seed: int, symbol: str) -> np.ndarray:
        frame = SimulatedSource("gbm", seed).fetch(symbol).frame
        return np.diff(np.log(frame["close"].to_numpy()))

    paths = [returns(0, "A"), returns(1, "A"), returns(0, "B"), returns(1, "B")]
    correlation = np.corrcoef(paths) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(len(paths[0]))
    np.testing.assert_array_equal(returns(0, "A"), paths[0])
