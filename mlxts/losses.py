"""The losses that forecasts are fitted and compared by, and the constant that loses the least."""

import math

import numpy as np

from mlxts.protocol import Task


def sample_losses(predicted: np.ndarray, targets: np.ndarray, task: Task) -> np.ndarray:
    """(n,) nats of (n,) logits; for regression squared errors of log returns."""
    if task.kind == "regression":
        return (predicted - targets) ** 2
    return log_losses(predicted, targets)


def log_losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n,) nats: log(1 + e^z) - y z, exact for logits of any size."""
    return np.logaddexp(0.0, logits) - targets * logits


def prior_logit(targets: np.ndarray) -> float:
    """Log odds of a positive; a share of 0 or 1 is moved half a sample inwards, to be finite."""
    half = 0.5 / len(targets)
    rate = min(max(float(targets.mean(dtype=np.float64)), half), 1.0 - half)
    return math.log(rate) - math.log1p(-rate)
