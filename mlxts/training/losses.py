"""Losses in double precision on the host, and those of the forecast to which others compare."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np


def mean_loss(
    outputs: np.ndarray, targets: np.ndarray, *, binary: bool, huber_delta: float
) -> float:
    """Mean loss: log loss from logits, or Huber; NaN of outputs that are."""
    targets = targets.astype(np.float64)
    with np.errstate(invalid="ignore"):
        if binary:
            return float(np.mean(np.logaddexp(0.0, outputs) - targets * outputs))
        error = np.abs(outputs - targets)
        quadratic = np.minimum(error, huber_delta)
        return float(np.mean(0.5 * quadratic**2 + huber_delta * (error - quadratic)))


@dataclass(frozen=True)
class Constant:
    """The forecast that says the training targets' base rate (regression: mean) of every sample.

    Attributes:
        output: a logit, or a value in units of the targets.
        loss: over all training samples, positive.
    """

    output: float
    loss: float
    binary: bool
    huber_delta: float

    @classmethod
    def of(cls, targets: np.ndarray, *, binary: bool, huber_delta: float) -> Self:
        """From the training targets, (n,).

        Where all of them are alike nothing can be lost: the loss is then that of a forecast that
        says one half, or is wrong by one unit.
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

    def loss_on(self, targets: np.ndarray) -> float:
        """On other samples than those of training, (m,)."""
        outputs = np.full(len(targets), self.output)
        return mean_loss(outputs, targets, binary=self.binary, huber_delta=self.huber_delta)
