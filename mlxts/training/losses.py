"""The unit in which losses are taken, losses in double precision, and that of the base rate."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float

from mlxts.dataset.samples import Dataset


class TargetScale(NamedTuple):
    """Regression targets are learned in units of the training split's standard deviation.

    Binary tasks use (0, 1): the logit is the model's output.
    """

    center: float
    scale: float

    @classmethod
    def fit(cls, data: Dataset) -> Self:
        """Mean and deviation of the training targets for regression, else (0, 1)."""
        if data.task.binary:
            return cls(0.0, 1.0)
        targets = data.learned("train").targets.astype(np.float64)
        return cls(float(targets.mean()), float(targets.std()) or 1.0)

    def scaled(self, targets: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Targets in units of the loss."""
        return (targets - self.center) / self.scale

    def unscaled(self, outputs: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """A model's outputs in units of the targets: logits, or log returns."""
        return outputs * self.scale + self.center


def mean_loss(
    outputs: Float[np.ndarray, " n"],
    targets: Float[np.ndarray, " n"],
    *,
    binary: bool,
    huber_delta: float,
    weights: Float[np.ndarray, " n"] | None = None,
) -> float:
    """Mean loss: log loss from logits, or Huber; NaN of outputs that are.

    Args:
        weights: of the samples in that mean, not negative; None: all the same.
    """
    targets = targets.astype(np.float64)
    with np.errstate(invalid="ignore"):
        if binary:
            losses = np.logaddexp(0.0, outputs) - targets * outputs
        else:
            error = np.abs(outputs - targets)
            quadratic = np.minimum(error, huber_delta)
            losses = 0.5 * quadratic**2 + huber_delta * (error - quadratic)
        return float(np.mean(losses) if weights is None else np.average(losses, weights=weights))


@dataclass(frozen=True)
class BaseRateForecast:
    """The constant forecast of the training targets' base rate (regression: mean).

    Attributes:
        output: a logit, or a value in units of the targets.
        loss: over all training samples, positive.
    """

    output: float
    loss: float
    binary: bool
    huber_delta: float

    @classmethod
    def fit(cls, targets: Float[np.ndarray, " n"], *, binary: bool, huber_delta: float) -> Self:
        """From the training targets.

        Where all targets are equal its loss is 0; the loss of the forecast one half, or of an error
        of one unit, is used instead.
        """
        mean = float(targets.mean(dtype=np.float64))
        if targets.min() == targets.max():
            unit = mean_loss(np.ones(1), np.zeros(1), binary=False, huber_delta=huber_delta)
            return cls(
                0.0 if binary else mean, math.log(2) if binary else unit, binary, huber_delta
            )
        output = math.log(mean) - math.log1p(-mean) if binary else mean
        loss = mean_loss(
            np.full(len(targets), output), targets, binary=binary, huber_delta=huber_delta
        )
        return cls(output, loss, binary, huber_delta)

    def loss_on(self, targets: Float[np.ndarray, " m"]) -> float:
        """On other samples than those of training."""
        outputs = np.full(len(targets), self.output)
        return mean_loss(outputs, targets, binary=self.binary, huber_delta=self.huber_delta)
