"""Intervals that respect overlap: a stationary block bootstrap over dates (Politis, Romano 1994).

Labels H days long overlap, and markets are calm or wild for weeks; samples drawn one by one would
pretend to more evidence than there is. Blocks of consecutive *dates* are drawn instead, all
symbols of a date together. The draws depend on the dates alone, so two models scored on the same
dates share them: every comparison is paired.
"""

import math

import numpy as np
from arch.bootstrap import StationaryBootstrap

from mlxts.protocol import MIN_BLOCK_DAYS

DRAWS = 2000
LEVEL = 0.95


def block_length(horizon: int, spacing: int = 1) -> int:
    """Mean block length in dates `spacing` trading days apart: max(H, 22) days, rounded up."""
    return math.ceil(max(horizon, MIN_BLOCK_DAYS) / spacing)


def date_weights(dates: np.ndarray, block: int, *, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each sample counts in each draw.

    Args:
        dates: (n,) the date of each sample, in any order, repeated where symbols share it.
        block: mean block length in dates.
        draws: D.
        seed: of the draws.

    Returns:
        (n, D) float64 counts.
    """
    unique, date_of = np.unique(dates, return_inverse=True)
    sampler = StationaryBootstrap(block, np.arange(len(unique)), seed=np.random.default_rng(seed))
    counts = np.empty((len(unique), draws))
    for draw, (drawn, _) in enumerate(sampler.bootstrap(draws)):
        counts[:, draw] = np.bincount(drawn[0], minlength=len(unique))
    return counts[date_of]


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """The percentile interval over the draws in which the figure is defined; else NaN, NaN."""
    defined = values[np.isfinite(values)]
    if not defined.size:
        return float("nan"), float("nan")
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(defined, (tail, 100.0 - tail))
    return float(low), float(high)
