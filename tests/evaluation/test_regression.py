"""Scores of numbers against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from mlxts import losses
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
        both = {
            "rmse": np.sqrt(mse),
            "mae": oracle.mean_absolute_error(y, said, sample_weight=w),
            "r2": 1.0 - mse / oracle.mean_squared_error(y, constant, sample_weight=w),
        }
        ratio = np.exp(y) / np.exp(said)
        own = {
            "regression": {
                "directional_accuracy": oracle.accuracy_score(y > 0, said > 0, sample_weight=w)
            },
            "range": {
                "mse": mse,
                "qlike": np.average(ratio - np.log(ratio) - 1.0, weights=w),
            },
        }
        for kind, metrics in regression.METRICS.items():
            found = {n: metric(forecast, weights)[column] for n, metric in metrics.items()}
            assert found == pytest.approx(both | own[kind])


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


def test_qlike_is_zero_where_the_forecast_is_right_and_costs_more_where_it_is_too_low():
    right, low, high = losses.qlike(np.array([-4.0, -4.5, -3.5]), np.full(3, -4.0))
    assert right == 0.0
    assert low > high > 0.0


def test_the_mean_of_the_range_has_the_lowest_qlike():
    targets = np.random.default_rng(3).normal(-4.5, 0.5, size=2000)
    best = np.log(np.exp(targets).mean())
    at = [losses.qlike(np.full(2000, best + z), targets).mean() for z in (-0.01, 0.0, 0.01)]
    assert min(at) == at[1]
