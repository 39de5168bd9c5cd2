"""Every metric against scikit-learn, sample weights and ties included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics as oracle

from mlxts.evaluation import metrics
from mlxts.evaluation.metrics import Forecast

modest = settings(max_examples=30, deadline=None)
ORACLES = {
    "auc": lambda y, z, w: oracle.roc_auc_score(y, z, sample_weight=w),
    "log_loss": lambda y, z, w: oracle.log_loss(y, expit(z), sample_weight=w, labels=[0, 1]),
    "average_precision": lambda y, z, w: oracle.average_precision_score(y, z, sample_weight=w),
    "brier": lambda y, z, w: oracle.brier_score_loss(y, expit(z), sample_weight=w),
    "accuracy": lambda y, z, w: oracle.accuracy_score(y, z > 0, sample_weight=w),
    "precision": lambda y, z, w: oracle.precision_score(
        y, z > 0, sample_weight=w, zero_division=np.nan
    ),
    "recall": lambda y, z, w: oracle.recall_score(y, z > 0, sample_weight=w, zero_division=np.nan),
}


@st.composite
def weighted_forecasts(draw: st.DrawFn) -> tuple[Forecast, np.ndarray]:
    """Forecasts with many ties, both classes, and counts in which each class occurs."""
    n = draw(st.integers(2, 40))
    # Few distinct values make ties; multiples of 1/4 keep sklearn's probabilities distinct.
    logits = np.array(draw(st.lists(st.integers(-12, 12), min_size=n, max_size=n))) / 4.0
    targets = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), dtype=float)
    targets[:2] = (0.0, 1.0)
    counts = draw(st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), max_size=4))
    weights = np.array([np.ones(n), *counts], dtype=float).T
    weights[:2] += 1.0
    return Forecast(logits, targets), weights


@modest
@given(weighted_forecasts())
@pytest.mark.parametrize("name", ORACLES)
def test_each_draw_equals_scikit_learn_with_sample_weights(name, drawn):
    forecast, weights = drawn
    found = metrics.METRICS[name](forecast, weights)
    expected = [ORACLES[name](forecast.targets, forecast.logits, w) for w in weights.T]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@modest
@given(weighted_forecasts())
@pytest.mark.parametrize("name", metrics.METRICS)
def test_a_count_is_the_same_as_so_many_copies(name, drawn):
    forecast, weights = drawn
    metric = metrics.METRICS[name]
    for draw in weights.T:
        copies = np.repeat(np.arange(len(draw)), draw.astype(int))
        copied = Forecast(forecast.logits[copies], forecast.targets[copies])
        np.testing.assert_allclose(
            metric(forecast, draw[:, None]), metric(copied, np.ones((len(copies), 1))), rtol=1e-9
        )


@modest
@given(weighted_forecasts(), st.floats(0.1, 5.0), st.floats(-3.0, 3.0))
def test_ranking_metrics_do_not_change_under_a_rising_map(drawn, slope, shift):
    forecast, weights = drawn
    mapped = Forecast(forecast.logits * slope + shift, forecast.targets)
    for metric in (metrics.auc, metrics.average_precision):
        np.testing.assert_allclose(metric(mapped, weights), metric(forecast, weights))


@modest
@given(weighted_forecasts())
def test_turning_the_ranking_round_mirrors_the_auc(drawn):
    forecast, weights = drawn
    mirrored = Forecast(-forecast.logits, forecast.targets)
    np.testing.assert_allclose(metrics.auc(mirrored, weights) + metrics.auc(forecast, weights), 1.0)


def test_log_loss_stays_exact_for_logits_that_a_sigmoid_would_saturate():
    certain = Forecast(np.array([800.0, -800.0, 800.0]), np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(certain.losses, [0.0, 0.0, 800.0])


def test_one_class_alone_has_no_ranking_and_no_positive_call_has_no_precision():
    forecast, once = Forecast(np.array([-1.0, -2.0]), np.zeros(2)), np.ones((2, 1))
    assert np.isnan(metrics.auc(forecast, once)).all()
    assert np.isnan(metrics.average_precision(forecast, once)).all()
    assert np.isnan(metrics.precision(forecast, once)).all()
    assert np.isnan(metrics.recall(forecast, once)).all()
    assert metrics.accuracy(forecast, once) == 1.0


@pytest.mark.parametrize(("spread", "verdict"), [(0.02, True), (0.2, False)])
def test_a_constant_model_is_called_collapsed(spread, verdict):
    forecast = Forecast(np.array([-spread / 2, spread / 2]), np.array([0.0, 1.0]))
    low, high = metrics.prediction_range(forecast)
    assert (low, high) == pytest.approx((expit(-spread / 2), expit(spread / 2)))
    assert metrics.collapsed(forecast) is verdict
