"""Scores of a predicted log return; metrics over many reweightings at once, as in `metrics.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from mlxts.evaluation.metrics import Draws, Weights, mean
from mlxts.protocol import COLLAPSE_RANGE


@dataclass(frozen=True)
class Forecast:
    """What was said and what happened, n samples in one order; log returns over the horizon."""

    predictions: Float[np.ndarray, " n"]
    targets: Float[np.ndarray, " n"]
    train_mean: float  # of the training targets, log return
    train_deviation: float  # of the training targets, log return

    @property
    def errors(self) -> Float[np.ndarray, " n"]:
        return self.predictions - self.targets


Metric = Callable[[Forecast, Weights], Draws]


def mse(forecast: Forecast, weights: Weights) -> Draws:
    """Mean squared error."""
    return mean(forecast.errors**2, weights)


def rmse(forecast: Forecast, weights: Weights) -> Draws:
    """Root of the mean squared error, log return."""
    return np.sqrt(mse(forecast, weights))


def mae(forecast: Forecast, weights: Weights) -> Draws:
    """Mean absolute error, log return."""
    return mean(np.abs(forecast.errors), weights)


def r2(forecast: Forecast, weights: Weights) -> Draws:
    """1 - MSE / MSE of the training mean: R² out of sample (Campbell and Thompson 2008)."""
    return 1.0 - mse(forecast, weights) / mean(
        (forecast.train_mean - forecast.targets) ** 2, weights
    )


def directional_accuracy(forecast: Forecast, weights: Weights) -> Draws:
    """Share of samples on which it was said rightly whether the price would rise."""
    return mean((forecast.predictions > 0.0) == (forecast.targets > 0.0), weights)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "rmse": rmse,
        "mae": mae,
        "r2": r2,
        "directional_accuracy": directional_accuracy,
    }
)


def prediction_range(forecast: Forecast) -> tuple[float, float]:
    """The lowest and the highest predicted log return."""
    return float(forecast.predictions.min()), float(forecast.predictions.max())


def collapsed(forecast: Forecast) -> bool:
    """Whether the model says practically the same of every sample, in training deviations."""
    low, high = prediction_range(forecast)
    return high - low < COLLAPSE_RANGE * forecast.train_deviation
