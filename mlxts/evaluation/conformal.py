"""Split-conformal intervals around a predicted number (Lei et al. 2018).

The half-width is a quantile of absolute residuals on rows that the model was not fitted to: its own
training residuals are too small, the more so the larger the network. Test rows get that of
validation. Validation rows get that of the other half of validation, the labels at the border left
out (two-fold cross-conformal, Vovk 2015), since a model is fitted on all of train. Validation was
used for early stopping of the network, and for nothing else.

The promise of coverage needs residuals that are exchangeable with the new ones; markets change, so
the coverage that was reached is always reported with the width.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

COVERAGE = 0.9


@dataclass(frozen=True)
class Widths:
    """Half-widths of rows, and which residuals they come from."""

    half: Float[
        np.ndarray, " n"
    ]  # in the unit of the task; infinite where there are too few residuals
    source: str


def half_width(residuals: Float[np.ndarray, " n"], coverage: float = COVERAGE) -> float:
    """The ceil((n + 1)·coverage)-th smallest absolute residual; infinite where n is too small."""
    rank = math.ceil((len(residuals) + 1) * coverage)
    if rank > len(residuals):
        return math.inf
    return float(np.partition(np.abs(residuals), rank - 1)[rank - 1])


def held_out(
    dates: Shaped[np.ndarray, " n"],
    residuals: Float[np.ndarray, " n"],
    overlap: int,
    earlier: Float[np.ndarray, " m"] | None = None,
) -> Widths:
    """The half-width of every row, from residuals of other rows.

    Args:
        dates: of the rows. residuals: in the unit of the task.
        overlap: how many successive dates have labels that share days; 1: none do.
        earlier: residuals of validation, where the rows are of test.
    """
    if earlier is not None and len(earlier):
        return Widths(np.full(len(dates), half_width(earlier)), "validation residuals")
    days = np.unique(dates)
    place = np.searchsorted(days, dates)
    border = len(days) // 2
    first, second = place < border, place >= border
    half = np.empty(len(dates))
    half[first] = half_width(residuals[place >= border + overlap - 1])
    half[second] = half_width(residuals[place <= border - overlap])
    return Widths(half, "residuals of the other half of these rows")


def price_range(prediction: float) -> float:
    """How far the highest price lies above the lowest, as a fraction, from log(log(high / low))."""
    return math.expm1(math.exp(prediction))


def price_interval(close: float, prediction: float, half_width: float) -> tuple[float, float]:
    """The interval of the price H days on, from today's close and the predicted log return."""
    return close * math.exp(prediction - half_width), close * math.exp(prediction + half_width)
