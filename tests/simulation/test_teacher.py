"""The linear teacher: what the first features tell, exactly."""

from datetime import date

import numpy as np
import pytest
from scipy.stats import norm

from mlxts import protocol
from mlxts.data import calendar
from mlxts.data.sources.base import PLANTED, oracle_column
from mlxts.simulation import bayes_scores, teacher
from mlxts.simulation.base import HORIZONS
from mlxts.simulation.teacher import LinearTeacher

DAYS = calendar.sessions(date(1990, 1, 1), date(2009, 12, 31))
DIRECTION = protocol.TASKS["direction"]


@pytest.mark.parametrize("horizon", HORIZONS)
def test_what_the_first_features_score_agrees_with_draws(horizon: int) -> None:
    """Draws of the sum and of the outcome, and the empirical AUC and log loss of the rule."""
    model, rng, n = LinearTeacher(0.7, 0.8), np.random.default_rng(1), 400_000
    for features in (20, 2000):
        variance = model.spectrum[:features].sum()
        known = np.sqrt(variance) * rng.standard_normal(n)
        rest = np.sqrt(1 - variance) * rng.standard_normal(n)
        total = model.drift * (known + rest) + rng.standard_normal(n)
        for _ in range(horizon - 1):
            total += model.drift * rng.standard_normal(n) + rng.standard_normal(n)
        p = model.probability(known, 1 - variance, DIRECTION, horizon)
        up = total > 0
        said = model.direction(features, horizon)
        losses = -np.where(up, np.log(p), np.log1p(-p))
        assert abs(losses.mean() - said["log_loss"]) < 4 * losses.std() / np.sqrt(n)
        rank = p.argsort().argsort()
        area = (rank[up].mean() - (up.sum() - 1) / 2) / (~up).sum()
        assert area == pytest.approx(said["auc"], abs=4 * 0.6 / np.sqrt(n))
        assert bayes_scores.log_loss(p) == pytest.approx(said["log_loss"], abs=0.002)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_what_is_left_unexplained_is_a_power_of_the_number_of_features(exponent: float) -> None:
    model = LinearTeacher(exponent)
    assert model.spectrum.sum() + model.hidden == pytest.approx(1.0)
    counts = np.array(protocol.TIERS)
    left = 1 - np.cumsum(model.spectrum)[counts - 1]
    assert np.polyfit(np.log(counts), np.log(left), 1)[0] == pytest.approx(-exponent, abs=0.02)
    limit = LinearTeacher(exponent).direction(2000, 1)["log_loss"]
    losses = [model.direction(int(n), 1)["log_loss"] for n in counts]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == limit


def test_the_excess_falls_with_the_features_as_the_exponent_says() -> None:
    """Against knowing all of u, which no number of features reaches."""
    model = LinearTeacher(1.0, 0.5)
    x, w = np.polynomial.hermite_e.hermegauss(200)
    everything = float(w @ bayes_scores.entropy(norm.cdf(model.drift * x)) / w.sum())
    excess = [model.direction(n, 1)["log_loss"] - everything for n in protocol.TIERS]
    slope = np.polyfit(np.log(protocol.TIERS), np.log(excess), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.02)


def test_the_features_shown_make_up_the_stored_probability() -> None:
    model = LinearTeacher()
    bars = model.simulate(DAYS, seed=5)
    shown = bars[PLANTED].to_numpy()
    u = shown.astype(np.float64) @ model.weights(5)
    expected = norm.cdf(0.5 * u / np.sqrt(1 + 0.25 * model.hidden))
    np.testing.assert_allclose(bars[oracle_column("direction", 1)].to_numpy(), expected, rtol=1e-9)
    spread = shown[:, :50].std(axis=0) / np.sqrt(model.spectrum[:50])
    assert np.abs(spread - 1).max() < 5 / np.sqrt(2 * len(shown))


def test_the_first_column_matters_most() -> None:
    model = LinearTeacher()
    assert (np.diff(model.spectrum) < 0).all()
    assert len(model.spectrum) == teacher.FEATURES == max(protocol.TIERS)
