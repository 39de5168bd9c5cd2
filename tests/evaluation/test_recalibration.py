"""Maps of logits: they find what was done to a calibrated forecast, and keep its order."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from mlxts.evaluation import recalibration
from mlxts.evaluation.recalibration import METHODS

every_method = pytest.mark.parametrize("method", METHODS)


def world(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated logits and what happened."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.0, 1.2, size=n)
    return logits, (rng.random(n) < expit(logits)).astype(float)


def loss(z: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(np.logaddexp(0.0, z) - y * z))


@every_method
def test_a_forecast_that_shouts_is_mended_on_rows_it_was_not_fitted_on(method):
    logits, targets = world(4_000)
    mend = METHODS[method](3.0 * logits, targets)
    unseen, happened = world(4_000, seed=1)
    assert loss(mend(3.0 * unseen), happened) < loss(3.0 * unseen, happened) - 0.1
    assert loss(mend(3.0 * unseen), happened) < loss(unseen, happened) + 0.01


@every_method
def test_the_order_is_kept_and_logits_stay_finite_beyond_what_was_seen(method):
    logits, targets = world(300)
    moved = METHODS[method](logits, targets)(np.linspace(-60.0, 60.0, 501))
    assert np.isfinite(moved).all()
    assert (np.diff(moved) >= 0.0).all()


@every_method
@pytest.mark.parametrize("happened", [0.0, 1.0])
def test_one_class_is_survived(method, happened):
    logits, _ = world(50)
    assert np.isfinite(METHODS[method](logits, np.full(50, happened))(logits)).all()


def test_platt_is_a_logistic_regression_where_his_half_counts_vanish():
    logits, targets = world(50_000)
    mend = recalibration.platt(2.0 * logits + 1.0, targets)
    oracle = LogisticRegression(C=np.inf).fit((2.0 * logits + 1.0)[:, None], targets)
    slope = mend(np.array([1.0]))[0] - mend(np.array([0.0]))[0]
    assert slope == pytest.approx(oracle.coef_[0, 0], abs=1e-3)
    assert mend(np.array([0.0]))[0] == pytest.approx(oracle.intercept_[0], abs=1e-3)


@pytest.mark.parametrize("positives", [3, 7])
def test_of_few_samples_platt_says_what_his_half_counts_say(positives):
    """A soft target is as much of each class: a logistic regression with weights."""
    logits = np.linspace(-2.0, 1.0, 10)
    targets = (np.arange(10) >= 10 - positives).astype(float)
    share = np.where(targets, (positives + 1) / (positives + 2), 1 / (12 - positives))
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
        np.r_[logits, logits][:, None],
        np.repeat([1, 0], 10),
        sample_weight=np.r_[share, 1.0 - share],
    )
    said = recalibration.platt(logits, targets)(logits)
    np.testing.assert_allclose(expit(said), oracle.predict_proba(logits[:, None])[:, 1], atol=1e-4)


def test_a_forecast_that_says_one_thing_is_moved_to_the_base_rate():
    targets = np.r_[np.ones(32), np.zeros(96)]
    said = recalibration.platt(np.full(128, 0.5), targets)(np.array([0.5]))
    assert expit(said) == pytest.approx(0.25, abs=0.01)


def test_a_forecast_that_ranks_backwards_is_flattened_not_turned_round():
    logits, targets = world(2_000)
    moved = recalibration.platt(-logits, targets)(np.array([-1.0, 1.0]))
    assert moved[0] == pytest.approx(moved[1])
    assert expit(moved[0]) == pytest.approx(targets.mean(), abs=0.01)


def test_the_temperature_of_doubled_logits_is_two():
    logits, targets = world(50_000)
    assert recalibration.temperature(2.0 * logits, targets)(np.array([2.0]))[0] == pytest.approx(
        1.0, abs=0.05
    )


def test_isotonic_says_the_share_of_each_step():
    logits = np.repeat([-1.0, 0.0, 1.0], 20)
    targets = np.concatenate([np.arange(20) < up for up in (2, 5, 15)]).astype(float)
    said = recalibration.isotonic(logits, targets)(np.array([-1.0, 0.0, 1.0]))
    np.testing.assert_allclose(expit(said), [0.1, 0.25, 0.75])


def test_isotonic_leaves_half_a_sample_of_doubt():
    logits, targets = np.repeat([-1.0, 1.0], 20), np.repeat([0.0, 1.0], 20)
    said = recalibration.isotonic(logits, targets)(np.array([-1.0, 1.0]))
    np.testing.assert_allclose(expit(said), [0.5 / 40, 1.0 - 0.5 / 40])
