"""The losses that forecasts are fitted and compared by, and the constant that loses the least."""

import math

import numpy as np

from mlxts.protocol import Task


def sample_losses(predicted: np.ndarray, targets: np.ndarray, task: Task) -> np.ndarray:
    """(n,) nats of (n,) logits; of numbers squared errors, in the squared unit of the task."""
    return log_losses(predicted, targets) if task.binary else (predicted - targets) ** 2


def unit(task: Task) -> str:
    """Of the loss that forecasts are compared by."""
    return "nats" if task.binary else f"squared {task.unit}"


def qlike(predicted: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n,) e^d - d - 1, d = target - prediction: QLIKE (Patton 2011) of a scale from its logarithm.

    With the scale r = e^target and its forecast h = e^prediction it is r/h - log(r/h) - 1: 0 where
    they are equal, and steeper where the forecast was too low. It is lowest in the mean of r, so a
    forecast of the mean logarithm, which is lower, pays for that; all models do.
    """
    d = targets - predicted
    return np.expm1(d) - d


def log_losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n,) nats: log(1 + e^z) - y z, exact for logits of any size."""
    return np.logaddexp(0.0, logits) - targets * logits


def prior_logit(targets: np.ndarray) -> float:
    """Log odds of a positive; a share of 0 or 1 is moved half a sample inwards, to be finite."""
    half = 0.5 / len(targets)
    rate = min(max(float(targets.mean(dtype=np.float64)), half), 1.0 - half)
    return math.log(rate) - math.log1p(-rate)
