"""Scores of returns against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from mlxts.evaluation import regression
from mlxts.evaluation.regression import Forecast


@pytest.fixture
def forecast() -> Forecast:
    rng = np.random.default_rng(1)
    targets = rng.normal(0.0005, 0.01, size=300)
    return Forecast(
        predictions=0.1 * targets + rng.normal(0.0, 0.002, size=300),
        targets=targets,
        train_mean=0.0003,
        train_deviation=0.011,
    )


def test_each_draw_equals_scikit_learn_with_sample_weights(forecast):
    weights = np.random.default_rng(2).integers(0, 4, size=(300, 5)).astype(float)
    y, said = forecast.targets, forecast.predictions
    constant = np.full(300, forecast.train_mean)
    for column, w in enumerate(weights.T):
        mse = oracle.mean_squared_error(y, said, sample_weight=w)
        expected = {
            "rmse": np.sqrt(mse),
            "mae": oracle.mean_absolute_error(y, said, sample_weight=w),
            "r2": 1.0 - mse / oracle.mean_squared_error(y, constant, sample_weight=w),
            "directional_accuracy": oracle.accuracy_score(y > 0, said > 0, sample_weight=w),
        }
        found = {n: metric(forecast, weights)[column] for n, metric in regression.METRICS.items()}
        assert found == pytest.approx(expected)


def test_the_training_mean_explains_nothing(forecast):
    constant = Forecast(
        np.full(300, forecast.train_mean), forecast.targets, forecast.train_mean, 0.011
    )
    assert regression.r2(constant, np.ones((300, 1))) == 0.0
    assert regression.collapsed(constant)
    assert not regression.collapsed(forecast)


def test_a_return_of_zero_is_no_rise():
    still = Forecast(np.array([0.0, 0.0, 0.1, 0.1]), np.array([0.0, 0.1, 0.0, 0.1]), 0.0, 0.1)
    np.testing.assert_array_equal(
        regression.directional_accuracy(still, np.eye(4)), [1.0, 0.0, 0.0, 1.0]
    )
