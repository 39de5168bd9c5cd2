"""The null controls: what the bars say about volatility, and that nothing else can be known."""

from datetime import date
from itertools import pairwise, product

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from mlxts import protocol
from mlxts.data import calendar
from mlxts.data.sources.base import oracle_column
from mlxts.simulation import martingales, price_path
from mlxts.simulation.base import HORIZONS
from mlxts.simulation.hidden_markov import FAIR
from mlxts.simulation.martingales import ConstantVolatility, SwitchingVolatility
from tests.simulation import paths

DAYS = calendar.sessions(date(2001, 1, 2), date(2001, 1, 18))


def density(x: float, high: float, low: float, s: float) -> float:
    """Of a day's return and extremes, from derivatives of the laws of a bridge's extremes."""

    def exceeds(m: float, r: float) -> float:  # P(max of the bridge from 0 to r >= m)
        return float(np.exp(-2 * m * (m - r) / s**2))

    def slope(m: float, r: float, step: float = 1e-6) -> float:
        return (exceeds(m - step, r) - exceeds(m + step, r)) / (2 * step)

    return norm.pdf(x, scale=s) * slope(high, x) * slope(-low, -x)


def test_the_evidence_of_a_bar_is_the_ratio_of_its_densities() -> None:
    moved = price_path.moves(0.0, 0.011, price_path.noise(50, seed=1, stream=0))
    found = martingales.log_ratio(moved, 0.008, 0.016)
    for i, (x, high, low) in enumerate(zip(moved.close, moved.high, moved.low, strict=True)):
        expected = np.log(density(x, high, low, 0.016) / density(x, high, low, 0.008))
        assert found[i] == pytest.approx(expected, abs=1e-4)


def test_the_density_of_a_bar_integrates_to_one() -> None:
    """So that the checks here rest on a density: over the high, the low and the return."""
    s, x = 0.01, 0.004

    def over_one_extreme(r: float) -> float:
        top = max(r, 0.0)
        return quad(lambda m: (4 * m - 2 * r) / s**2 * np.exp(-2 * m * (m - r) / s**2), top, 0.2)[0]

    assert over_one_extreme(x) == pytest.approx(1.0, rel=1e-6)
    high, low = 0.011, -0.002
    both = (4 * high - 2 * x) * (-4 * low + 2 * x) / s**4
    both *= np.exp(-2 * high * (high - x) / s**2 - 2 * low * (low - x) / s**2)
    assert density(x, high, low, s) == pytest.approx(norm.pdf(x, scale=s) * both, rel=1e-5)


@pytest.mark.parametrize("horizon", [1, 3])
def test_touching_is_the_sum_over_every_path_of_states_given_the_bars(horizon: int) -> None:
    """No filter, no counts: all states of the past and of the future, one by one."""
    model = SwitchingVolatility(0.007, 0.02, 0.9, 0.8)
    bars = model.simulate(DAYS, seed=4)
    logs = {name: np.log(bars[name].to_numpy()) for name in ("open", "high", "low", "close")}
    day = [(logs[n] - logs["open"]).tolist() for n in ("close", "high", "low")]
    move, share = np.array(model.chain.move), model.chain.share
    s = (model.low, model.high)
    last = 5
    numerator = denominator = 0.0
    for states in product((0, 1), repeat=last + 1 + horizon):
        p = (1 - share, share)[states[0]]
        for a, b in pairwise(states):
            p *= move[a, b]
        for t in range(last + 1):
            p *= density(day[0][t], day[1][t], day[2][t], s[states[t]])
        variance = sum(s[state] ** 2 for state in states[last + 1 :])
        numerator += p * 2 * norm.sf(np.log(1.02) / np.sqrt(variance))
        denominator += p
    stored = bars[oracle_column("threshold_2pct", horizon)][last]
    assert stored == pytest.approx(numerator / denominator, abs=1e-5)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_constant_volatility_is_the_reflection_principle(horizon: int) -> None:
    bars = ConstantVolatility().simulate(DAYS, seed=0)
    closed = 2 * norm.sf(np.log(1.01) / (0.01 * np.sqrt(horizon)))
    stored = bars[oracle_column("threshold_1pct", horizon)]
    assert stored.n_unique() == 1
    assert stored[0] == pytest.approx(closed, rel=1e-12)


def test_the_direction_is_a_coin_and_touching_is_not() -> None:
    bars = paths.bars("sv")
    for horizon in HORIZONS:
        assert bars[oracle_column("direction", horizon)].unique().to_list() == [0.5]
        assert bars[oracle_column("threshold_1pct", horizon)].to_numpy().std() > 0.04
    assert not [name for name in bars.columns if "regression" in name]


def test_probabilities_grow_with_horizon_and_state_and_fall_with_the_threshold() -> None:
    thresholds = [task for task in protocol.TASKS.values() if task.threshold]
    chain = SwitchingVolatility().chain
    p = np.array(
        [[martingales.probability(0.006, 0.018, chain, t, h) for h in HORIZONS] for t in thresholds]
    )
    assert (np.diff(p, axis=1) > 0).all()
    assert (np.diff(p, axis=0) < 0).all()
    assert (p[..., 1] > p[..., 0]).all()


def test_two_equal_states_are_one() -> None:
    task = protocol.TASKS["threshold_2pct"]
    low, high = martingales.probability(0.01, 0.01, FAIR, task, 5)
    assert low == high == pytest.approx(2 * norm.sf(np.log(1.02) / (0.01 * np.sqrt(5))))
