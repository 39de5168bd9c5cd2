"""Intervals that respect overlap: a stationary block bootstrap over dates (Politis, Romano 1994).

Labels H days long overlap, and markets are calm or wild for weeks; samples drawn one by one would
pretend to more evidence than there is. Blocks of consecutive *dates* are drawn instead, all
symbols of a date together. The draws depend on the dates alone, so two models scored on the same
dates share them: every comparison is paired.

Two years hold some twenty blocks, and blocks of a random length cut most overlapping labels apart,
so that percentiles of the draws are still too narrow. `expanded` says which percentiles to take;
how often the intervals then hold the truth is measured in benchmarks/interval_coverage.py.
"""

import math

import numpy as np
from scipy import stats

from mlxts.protocol import MIN_BLOCK_DAYS

DRAWS = 2000
LEVEL = 0.95


def block_length(horizon: int, spacing: int = 1) -> int:
    """Mean block length in dates `spacing` trading days apart: max(H, 22) days, rounded up."""
    return math.ceil(max(horizon, MIN_BLOCK_DAYS) / spacing)


def overlap(horizon: int, spacing: int = 1) -> int:
    """How many successive labels share days: of H days, on dates `spacing` trading days apart."""
    return math.ceil(horizon / spacing)


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
    from arch.bootstrap import StationaryBootstrap  # loads statsmodels: a second

    unique, date_of = np.unique(dates, return_inverse=True)
    sampler = StationaryBootstrap(block, np.arange(len(unique)), seed=np.random.default_rng(seed))
    counts = np.empty((len(unique), draws))
    for draw, (drawn, _) in enumerate(sampler.bootstrap(draws)):
        counts[:, draw] = np.bincount(drawn[0], minlength=len(unique))
    return counts[date_of]


def expanded(dates: int, block: int, overlap: int, level: float = LEVEL) -> float:
    """The level whose percentile interval has about the coverage `level`.

    Three corrections, all of the normal quantile and so the same on any scale of the figure:
    few blocks make a Student quantile with a degree of freedom less than there are blocks, and too
    small a deviation, by sqrt(1 - 1 / blocks) (the expanded percentile interval of Hesterberg
    2015); and a figure of labels that overlap has a triangular autocorrelation, which the
    stationary bootstrap damps by (1 - 1 / block)^lag (Politis, Romano 1994, lemma 1), so that its
    deviation is too small by a factor which follows from overlap and block.

    Args:
        dates: how many there are.
        block: mean block length in dates.
        overlap: how many successive labels share days; 1: none do.
    """
    normal = stats.norm.isf(0.5 * (1.0 - level))
    return float(1.0 - 2.0 * stats.norm.sf(normal * widening(dates, block, overlap, level)))


def widening(dates: int, block: int, overlap: int, level: float = LEVEL) -> float:
    """How many times too narrow a percentile interval of such draws is; arguments of `expanded`.

    Who needs whole distributions, not ends alone, moves the draws away from the figure by it.
    """
    tail = 0.5 * (1.0 - level)
    student = stats.t.isf(tail, _blocks(dates, block) - 1.0) / stats.norm.isf(tail)
    return float(student * math.sqrt(_missing_variance(dates, block, overlap)))


def effective(losses: np.ndarray, drawn: np.ndarray, dates: int, block: int, overlap: int) -> float:
    """n_eff: how many independent samples would know the mean of `losses` as well as these n do.

    n times the variance of the mean if samples were drawn one by one, over that of its block-
    bootstrap draws, which is made good for few blocks and for overlap; n at most.

    Args:
        losses: (n,) of the samples. drawn: (D,) their mean in each draw of blocks.
        dates, block, overlap: as of `expanded`.
    """
    together = float(np.var(drawn)) * _missing_variance(dates, block, overlap)
    alone = float(np.var(losses)) / len(losses)
    return float(len(losses) * min(1.0, alone / together)) if together > 0.0 else float(len(losses))


def _blocks(dates: int, block: int) -> float:
    return max(dates / block, 2.0)


def _missing_variance(dates: int, block: int, overlap: int) -> float:
    """How many times the variance of draws the variance of the figure is; see `expanded`."""
    blocks, lags = _blocks(dates, block), np.arange(1, overlap)
    shared = 1.0 - lags / overlap
    damped = shared * (1.0 - 1.0 / block) ** lags
    overlapping = (1.0 + 2.0 * shared.sum()) / (1.0 + 2.0 * damped.sum())
    return float(overlapping * blocks / (blocks - 1.0))


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """The percentile interval over the draws in which the figure is defined; else NaN, NaN."""
    defined = values[np.isfinite(values)]
    if not defined.size:
        return float("nan"), float("nan")
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(defined, (tail, 100.0 - tail))
    return float(low), float(high)
