"""Scores of a classifier: every metric for many reweightings of the samples at once.

A metric maps (forecast, weights) to one number a draw. `weights` are how often each of the n
samples counts in each of the bootstrap draws; the figure itself is the draw in which each counts
once. One definition so serves the figure and its interval. NaN means undefined: a ranking metric
in a draw of one class, precision where nothing was predicted positive.

Logits come in; this is the one place where a sigmoid is applied.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float, Integer, Num
from scipy.special import expit

from mlxts.evaluation import calibration
from mlxts.losses import log_losses
from mlxts.protocol import COLLAPSE_RANGE

Weights = Float[np.ndarray, "n draws"]
Draws = Float[np.ndarray, " draws"]


@dataclass(frozen=True)
class Forecast:
    """Forecasts and outcomes, n samples in one order."""

    logits: Float[np.ndarray, " n"]
    targets: Float[np.ndarray, " n"]  # 0 or 1

    @cached_property
    def probabilities(self) -> Float[np.ndarray, " n"]:
        """In [0, 1]."""
        return expit(self.logits)

    @cached_property
    def losses(self) -> Float[np.ndarray, " n"]:
        """Nats."""
        return log_losses(self.logits, self.targets)

    @cached_property
    def ranking(self) -> tuple[Integer[np.ndarray, " n"], Integer[np.ndarray, " ties"]]:
        """Samples from the lowest logit to the highest, and where each group of ties begins."""
        order = np.argsort(self.logits, kind="stable")
        ranked = self.logits[order]
        return order, np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])

    def by_rank(
        self, weights: Weights
    ) -> tuple[Float[np.ndarray, "ties draws"], Float[np.ndarray, "ties draws"]]:
        """Weight of the positives and of the negatives in each group of equal logits."""
        order, begins = self.ranking
        ranked = weights[order]
        positive = ranked * self.targets[order, None]
        negative = ranked - positive
        if len(begins) == len(order):
            return positive, negative
        return np.add.reduceat(positive, begins), np.add.reduceat(negative, begins)


Metric = Callable[[Forecast, Weights], Draws]

_PAIRS = 1 << 18  # of a positive and a negative; up to so many are compared one by one


def mean(values: Num[np.ndarray, " n"] | Bool[np.ndarray, " n"], weights: Weights) -> Draws:
    """Weighted mean of values in each draw."""
    return (values @ weights) / weights.sum(axis=0)


def auc(forecast: Forecast, weights: Weights) -> Draws:
    """Area under the ROC curve: P(a positive ranks above a negative), ties count half.

    Of a few hundred samples every pair is compared once, and all draws are one matrix product;
    of many they are sorted and counted up. Counts make exact sums, so both give the same bytes.
    """
    positive = forecast.targets > 0.5
    up, down = forecast.logits[positive], forecast.logits[~positive]
    if len(up) * len(down) <= _PAIRS:
        above = (up[:, None] > down) + 0.5 * (up[:, None] == down)
        won_by, lost_by = weights[positive], weights[~positive]
        won = np.einsum("pd,pd->d", won_by, above @ lost_by)
        return _ratio(won, won_by.sum(axis=0) * lost_by.sum(axis=0))
    ups, downs = forecast.by_rank(weights)
    below = np.cumsum(downs, axis=0) - 0.5 * downs
    won = np.einsum("nd,nd->d", ups, below)
    return _ratio(won, ups.sum(axis=0) * downs.sum(axis=0))


def average_precision(forecast: Forecast, weights: Weights) -> Draws:
    """Sum over thresholds of precision times the gain in recall (no interpolation)."""
    positive, negative = forecast.by_rank(weights)
    positive, negative = positive[::-1], negative[::-1]
    caught = np.cumsum(positive, axis=0)
    predicted = caught + np.cumsum(negative, axis=0)
    # Nothing predicted positive yet means nothing gained yet: any divisor but 0 is right there.
    gained = np.einsum("nd,nd->d", positive, caught / np.where(predicted > 0.0, predicted, 1.0))
    return _ratio(gained, positive.sum(axis=0))


def log_loss(forecast: Forecast, weights: Weights) -> Draws:
    """Mean negative log likelihood, nats."""
    return mean(forecast.losses, weights)


def brier(forecast: Forecast, weights: Weights) -> Draws:
    """Mean squared error of the probability (Brier 1950)."""
    return mean((forecast.probabilities - forecast.targets) ** 2, weights)


def ece(forecast: Forecast, weights: Weights) -> Draws:
    """Expected calibration error over ten equal-width bins (Naeini et al. 2015)."""
    return calibration.expected_error(forecast.probabilities, forecast.targets, weights)


def accuracy(forecast: Forecast, weights: Weights) -> Draws:
    """Share of right calls at probability 0.5."""
    return mean((forecast.logits > 0.0) == (forecast.targets > 0.5), weights)


def precision(forecast: Forecast, weights: Weights) -> Draws:
    """Share of the positive calls (probability over 0.5) that came true."""
    predicted = (forecast.logits > 0.0).astype(float)
    return _ratio((predicted * forecast.targets) @ weights, predicted @ weights)


def recall(forecast: Forecast, weights: Weights) -> Draws:
    """Share of the positives that were predicted positive (probability over 0.5)."""
    predicted = (forecast.logits > 0.0).astype(float)
    return _ratio((predicted * forecast.targets) @ weights, forecast.targets @ weights)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "auc": auc,
        "log_loss": log_loss,
        "average_precision": average_precision,
        "brier": brier,
        "ece": ece,
        "accuracy": accuracy,
        "precision": precision,
        "recall": recall,
    }
)


def prediction_range(forecast: Forecast) -> tuple[float, float]:
    """The lowest and the highest probability."""
    return float(forecast.probabilities.min()), float(forecast.probabilities.max())


def collapsed(forecast: Forecast) -> bool:
    """Whether the forecasts are practically constant."""
    low, high = prediction_range(forecast)
    return high - low < COLLAPSE_RANGE


def _ratio(numerator: Draws, denominator: Draws) -> Draws:
    """NaN where the denominator is 0."""
    undefined = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0.0)
