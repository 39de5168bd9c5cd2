"""Intervals that respect overlap: a stationary block bootstrap over dates (Politis, Romano 1994).

Labels H days long overlap, and markets are calm or wild for weeks; samples drawn one by one would
pretend to more evidence than there is. Blocks of consecutive *dates* are drawn instead, all
symbols of a date together. The draws depend on the dates alone, so two models scored on the same
dates share them: every comparison is paired.

Two years hold some twenty blocks, and blocks of a random length cut most overlapping labels apart,
so that percentiles of the draws are still too narrow. `BlockBootstrap.level` gives the percentiles
to take; the coverage of these intervals is measured in benchmarks/interval_coverage.py.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float64, Integer, Shaped
from scipy import stats

from mlxts.memo import memoised
from mlxts.protocol import MIN_BLOCK_DAYS

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class BlockBootstrap:
    """Bootstrap draws of blocks of dates, and intervals of a figure computed in each draw.

    Values over draws are arrays of 1 + D numbers: the figure itself, then one for each of D draws;
    `draws` is their number in shapes.

    Attributes:
        dates: the date of each row, in any order, repeated where symbols share it.
        horizon: H, trading days. spacing: trading days from one date to the next.
        length: mean block length in dates, see `remembering`; None: of `MIN_BLOCK_DAYS`. Never of
            less than H days.
    """

    dates: Shaped[np.ndarray, " n"]
    horizon: int
    spacing: int = 1
    length: int | None = None

    @classmethod
    def remembering(
        cls,
        dates: Shaped[np.ndarray, " n"],
        series: Float[np.ndarray, " n"],
        horizon: int,
        spacing: int = 1,
    ) -> "BlockBootstrap":
        """With blocks as long as what is asked of each row, say a difference of losses, remembers.

        That is twice the length which Politis and White (2004, corrected by Patton, Politis and
        White 2009) estimate for the stationary bootstrap of the mean of `series` over dates: theirs
        has the least mean square error of a variance, which it leaves too small. A series that
        never varies gives no information on it.
        """
        from arch.bootstrap import optimal_block_length

        _, date_of, count = np.unique(dates, return_inverse=True, return_counts=True)
        daily = np.bincount(date_of, weights=series) / count
        if np.ptp(daily) <= 1e-12 * np.abs(daily).max():
            return cls(dates, horizon, spacing)
        (length,) = optimal_block_length(daily)["stationary"]
        return cls(
            dates, horizon, spacing, math.ceil(2.0 * length) if np.isfinite(length) else None
        )

    @cached_property
    def count(self) -> int:
        """How many distinct dates there are."""
        return len(np.unique(self.dates))

    @property
    def block(self) -> int:
        """Mean block length in dates, of H trading days at least."""
        if self.length is None:
            return math.ceil(max(self.horizon, MIN_BLOCK_DAYS) / self.spacing)
        return max(self.overlap, self.length)

    @property
    def overlap(self) -> int:
        """How many successive labels share days; 1: none do."""
        return math.ceil(self.horizon / self.spacing)

    def weights(
        self, draws: int, seed: int = 0
    ) -> Float64[np.ndarray, "{len(self.dates)} 1+{draws}"]:
        """How often each row counts in each draw; in column 0 once."""
        unique, date_of = np.unique(self.dates, return_inverse=True)
        counts = np.ones((len(unique), 1 + draws))
        counts[:, 1:] = _date_counts(len(unique), self.block, draws, seed)
        return counts[date_of]

    @cached_property
    def level(self) -> float:
        """The level whose percentile interval has about the coverage `LEVEL`.

        Three corrections, all of the normal quantile and so the same on any scale of the figure:
        few blocks make a Student quantile with a degree of freedom less than there are blocks, and
        too small a deviation, by sqrt(1 - 1 / blocks) (the expanded percentile interval of
        Hesterberg 2015); and a figure of labels that overlap has a triangular autocorrelation,
        which the stationary bootstrap damps by (1 - 1 / block)^lag (Politis, Romano 1994, lemma 1),
        so that its deviation is too small by a factor which follows from overlap and block.
        """
        normal = stats.norm.isf(0.5 * (1.0 - LEVEL))
        return float(1.0 - 2.0 * stats.norm.sf(normal * self.widening))

    @cached_property
    def widening(self) -> float:
        """How many times too narrow a percentile interval of the draws is, see `level`.

        Who needs whole distributions, not ends alone, moves the draws away from the figure by it.
        """
        tail = 0.5 * (1.0 - LEVEL)
        student = stats.t.isf(tail, self._blocks - 1.0) / stats.norm.isf(tail)
        return float(student * math.sqrt(self._missing_variance))

    def interval(self, values: Float[np.ndarray, " draws"]) -> tuple[float, float]:
        """The 95 % interval of a figure from its values; NaN where it is not defined."""
        return percentile_interval(values[1:], self.level)

    def effective(
        self, losses: Float[np.ndarray, " n"], means: Float[np.ndarray, " draws"]
    ) -> float:
        """n_eff: how many independent samples would know the mean of `losses` as well as these do.

        n times the variance of the mean if samples were drawn one by one, over that of its block-
        bootstrap draws, which is made good for few blocks and for overlap; n at most.

        Args:
            losses: of the samples. means: their mean in each draw.
        """
        mean_variance = float(np.var(means[1:])) * self._missing_variance
        alone = float(np.var(losses)) / len(losses)
        share = min(1.0, alone / mean_variance) if mean_variance > 0.0 else 1.0
        return float(len(losses) * share)

    @property
    def _blocks(self) -> float:
        return max(self.count / self.block, 2.0)

    @property
    def _missing_variance(self) -> float:
        """How many times the variance of draws the variance of the figure is; see `level`."""
        blocks, lags = self._blocks, np.arange(1, self.overlap)
        shared = 1.0 - lags / self.overlap
        damped = shared * (1.0 - 1.0 / self.block) ** lags
        overlapping = (1.0 + 2.0 * shared.sum()) / (1.0 + 2.0 * damped.sum())
        return float(overlapping * blocks / (blocks - 1.0))


@memoised
def _date_counts(
    dates: int, block: int, draws: int, seed: int
) -> Integer[np.ndarray, "{dates} {draws}"]:
    """How often each of some dates is drawn, by mean block length.

    The draws of `arch.bootstrap.StationaryBootstrap`, which takes half a second to load.
    """
    generator, place = np.random.default_rng(seed), np.arange(dates)
    counts = np.empty((dates, draws), dtype=np.min_scalar_type(dates))
    for draw in range(draws):
        firsts, begins = generator.integers(dates, size=dates), generator.random(dates) <= 1 / block
        begin = np.maximum.accumulate(np.where(begins, place, 0))
        counts[:, draw] = np.bincount((firsts[begin] + place - begin) % dates, minlength=dates)
    return counts


def percentile_interval(
    values: Float[np.ndarray, " draws"], level: float = LEVEL
) -> tuple[float, float]:
    """The percentile interval over the draws in which the figure is defined; else NaN, NaN."""
    defined = values[np.isfinite(values)]
    if not defined.size:
        return float("nan"), float("nan")
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(defined, (tail, 100.0 - tail))
    return float(low), float(high)
