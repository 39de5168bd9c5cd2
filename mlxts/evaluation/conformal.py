"""Split-conformal intervals around a predicted log return (Lei et al. 2018).

The half-width is a quantile of absolute residuals on the training split, because nothing is fitted
on later data. The promise of coverage needs residuals that are exchangeable with the new ones; a
fitted model's own training residuals are a little too small and markets change, so the coverage
that was reached is always reported beside the width.
"""

import math

import numpy as np

COVERAGE = 0.9


def half_width(residuals: np.ndarray, coverage: float = COVERAGE) -> float:
    """The ceil((n + 1)·coverage)-th smallest absolute residual; infinite where n is too small."""
    rank = math.ceil((len(residuals) + 1) * coverage)
    if rank > len(residuals):
        return math.inf
    return float(np.partition(np.abs(residuals), rank - 1)[rank - 1])


def price_interval(close: float, prediction: float, half_width: float) -> tuple[float, float]:
    """The interval of the price H days on, from today's close and the predicted log return."""
    return close * math.exp(prediction - half_width), close * math.exp(prediction + half_width)
