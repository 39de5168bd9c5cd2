"""The hidden regime: its evidence, its filter and its dial."""

from dataclasses import replace
from datetime import date
from itertools import pairwise, product

import numpy as np
import pytest
from scipy.stats import norm

from mlxts.data import calendar
from mlxts.data.sources.base import oracle_column
from mlxts.simulation import bayes_scores, price_path
from mlxts.simulation.regimes import HiddenRegime

DAYS = calendar.sessions(date(2001, 1, 2), date(2001, 1, 18))
SESSIONS = calendar.sessions(date(1960, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("clarity", [0.0, 1.5])
def test_the_direction_is_the_sum_over_every_path_of_regimes(horizon: int, clarity: float) -> None:
    """All regimes of the past and of the future, from the bars alone."""
    market = HiddenRegime(drift=0.6, stay=0.85, clarity=clarity)
    bars = market.simulate(DAYS, seed=2)
    x = np.log((bars["close"] / bars["open"]).to_numpy())
    v = np.log(bars["volume"].to_numpy() / price_path.VOLUME) / price_path.VOLUME_SPREAD
    s, last = market.volatility, 4
    numerator = denominator = 0.0
    for signs in product((-1, 1), repeat=last + 1 + horizon):
        moves = sum(a != b for a, b in pairwise(signs))
        p = market.stay ** (len(signs) - 1 - moves) * (1 - market.stay) ** moves
        for t in range(last + 1):
            p *= norm.pdf(x[t], signs[t] * market.drift * s, s)
            p *= norm.pdf(v[t], signs[t] * clarity / 2)
        total = sum(signs[last + 1 :]) * market.drift * s
        numerator += p * norm.cdf(total / (s * np.sqrt(horizon)))
        denominator += p
    stored = bars[oracle_column("direction", horizon)][last]
    assert stored == pytest.approx(numerator / denominator, abs=1e-6)


def test_both_dials_make_the_direction_easier() -> None:
    def loss(market: HiddenRegime) -> float:
        bars = market.simulate(SESSIONS, seed=1)
        return bayes_scores.log_loss(bars[oracle_column("direction", 1)].to_numpy())

    market = HiddenRegime()
    by_drift = [loss(replace(market, drift=d)) for d in (0.05, 0.2, 0.6)]
    by_clarity = [loss(replace(market, clarity=c)) for c in (0.0, 1.0, 4.0)]
    for losses in (by_drift, by_clarity):
        assert losses == sorted(losses, reverse=True)
        assert losses[0] < np.log(2)


def test_a_regime_that_shows_is_known() -> None:
    """With a clear volume every row says almost certainly which regime rules."""
    market = HiddenRegime(drift=0.5, clarity=5.0, stay=0.99)
    stored = market.simulate(SESSIONS, seed=1)[oracle_column("direction", 1)].to_numpy()
    known = 0.99 * norm.cdf(0.5) + 0.01 * norm.cdf(-0.5)
    assert np.mean(np.abs(np.abs(stored - 0.5) - (known - 0.5)) < 0.01) > 0.95
