"""Do events called at 20 % happen in 20 % of the cases?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Predicted against observed, one entry a bin that holds samples."""

    predicted: Float[np.ndarray, " bins"]  # mean prediction
    observed: Float[np.ndarray, " bins"]  # mean target: for labels, the share of positives
    low: Float[np.ndarray, " bins"]  # ends of the interval of `observed`
    high: Float[np.ndarray, " bins"]
    counts: Integer[np.ndarray, " bins"]


def expected_error(
    probabilities: Float[np.ndarray, " n"],
    targets: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, "n draws"],
) -> Float[np.ndarray, " draws"]:
    """Mean over samples of |observed - predicted| of their equal-width bin, in each draw.

    Args:
        targets: 0 or 1. weights: counts a draw.
    """
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    gaps = _by_bin(bins, BINS, (targets - probabilities)[:, None] * weights)
    return np.abs(gaps).sum(axis=0) / weights.sum(axis=0)


def reliability(
    predictions: Float[np.ndarray, " n"],
    targets: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, "n draws"],
    bins: int = BINS,
    level: float = 0.95,
) -> Reliability:
    """A reliability diagram over bins of equal size, with bootstrap intervals.

    Args:
        predictions: probabilities, or returns; targets: labels, or returns.
        weights: counts a bootstrap draw.
        bins: at most so many; equal predictions are never parted, so there may be fewer.
        level: of the percentile intervals, see `BlockBootstrap.level`.
    """
    edges = np.unique(np.quantile(predictions, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    _, bin_of = np.unique(np.searchsorted(edges, predictions), return_inverse=True)
    counts = np.bincount(bin_of)
    weight_in_bin = _by_bin(bin_of, len(counts), weights)
    sums = _by_bin(bin_of, len(counts), targets[:, None] * weights)
    means = np.divide(
        sums, weight_in_bin, out=np.full(weight_in_bin.shape, np.nan), where=weight_in_bin > 0.0
    )
    low, high = np.nanquantile(means, (0.5 - 0.5 * level, 0.5 + 0.5 * level), axis=1)
    return Reliability(
        predicted=np.bincount(bin_of, predictions) / counts,
        observed=np.bincount(bin_of, targets) / counts,
        low=low,
        high=high,
        counts=counts,
    )


def _by_bin(
    bin_of: Integer[np.ndarray, " n"], bins: int, values: Float[np.ndarray, "n draws"]
) -> Float[np.ndarray, "{bins} draws"]:
    """Sums of values."""
    member = bin_of == np.arange(bins)[:, None]
    return member.astype(float) @ values
