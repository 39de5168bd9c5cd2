"""Scores of a predicted number; metrics over many reweightings at once, as in `metrics.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from mlxts import losses
from mlxts.evaluation.metrics import Draws, Weights, mean
from mlxts.protocol import COLLAPSE_RANGE


@dataclass(frozen=True)
class Forecast:
    """Forecasts and outcomes, n samples in one order; all in the unit of the task."""

    predictions: Float[np.ndarray, " n"]
    targets: Float[np.ndarray, " n"]
    train_mean: float  # of the training targets
    train_deviation: float  # of the training targets

    @property
    def errors(self) -> Float[np.ndarray, " n"]:
        return self.predictions - self.targets


Metric = Callable[[Forecast, Weights], Draws]


def mse(forecast: Forecast, weights: Weights) -> Draws:
    """Mean squared error."""
    return mean(forecast.errors**2, weights)


def rmse(forecast: Forecast, weights: Weights) -> Draws:
    """Root of the mean squared error."""
    return np.sqrt(mse(forecast, weights))


def mae(forecast: Forecast, weights: Weights) -> Draws:
    """Mean absolute error."""
    return mean(np.abs(forecast.errors), weights)


def r2(forecast: Forecast, weights: Weights) -> Draws:
    """1 - MSE / MSE of the training mean: R² out of sample (Campbell and Thompson 2008)."""
    return 1.0 - mse(forecast, weights) / mean(
        (forecast.train_mean - forecast.targets) ** 2, weights
    )


def directional_accuracy(forecast: Forecast, weights: Weights) -> Draws:
    """Share of samples whose sign (rise or fall) was predicted correctly."""
    return mean((forecast.predictions > 0.0) == (forecast.targets > 0.0), weights)


def qlike(forecast: Forecast, weights: Weights) -> Draws:
    """Mean QLIKE of the range, see `losses.qlike`."""
    return mean(losses.qlike(forecast.predictions, forecast.targets), weights)


_OF_NUMBERS: Mapping[str, Metric] = MappingProxyType({"rmse": rmse, "mae": mae, "r2": r2})
# By the kind of task.
METRICS: Mapping[str, Mapping[str, Metric]] = MappingProxyType(
    {
        "regression": {**_OF_NUMBERS, "directional_accuracy": directional_accuracy},
        "range": {"mse": mse, **_OF_NUMBERS, "qlike": qlike},
    }
)


def prediction_range(forecast: Forecast) -> tuple[float, float]:
    """The lowest and the highest prediction."""
    return float(forecast.predictions.min()), float(forecast.predictions.max())


def collapsed(forecast: Forecast) -> bool:
    """Whether the forecasts are practically constant, in training deviations."""
    low, high = prediction_range(forecast)
    return high - low < COLLAPSE_RANGE * forecast.train_deviation
