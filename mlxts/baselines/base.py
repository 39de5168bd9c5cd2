"""What a baseline is, and the loss that all are fitted and compared by.

A baseline is fitted on the training samples of a data set and then forecasts any of its samples.
It is never shown the targets of another split.
"""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from mlxts.dataset.samples import Dataset, Samples
from mlxts.protocol import Task

Forecast = Callable[[Samples], np.ndarray]  # n samples -> (n,) logits or predicted log returns


class Baseline(Protocol):
    """A forecaster that is no PatchTST."""

    @property
    def name(self) -> str: ...

    def fit(self, dataset: Dataset) -> Forecast:
        """Learn from the training samples.

        Returns:
            A forecast of any samples of the data set, which reads nothing later than the decision
            bar of each.
        """
        ...


def prior_logit(targets: np.ndarray) -> float:
    """Log odds of a positive; a share of 0 or 1 is moved half a sample inwards, to be finite."""
    half = 0.5 / len(targets)
    rate = min(max(float(targets.mean(dtype=np.float64)), half), 1.0 - half)
    return math.log(rate) - math.log1p(-rate)


def sample_losses(predicted: np.ndarray, targets: np.ndarray, task: Task) -> np.ndarray:
    """(n,) nats of (n,) logits; for regression squared errors of log returns."""
    if task.kind == "regression":
        return (predicted - targets) ** 2
    return log_losses(predicted, targets)


def log_losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n,) nats: log(1 + e^z) - y z, exact for logits of any size."""
    return np.logaddexp(0.0, logits) - targets * logits
