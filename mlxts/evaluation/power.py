"""How small an effect a design sees, before it is run and after.

    SE(slope)² = σ_seed² / (seeds · origins · S) + σ_day² / (days · n_eff)
    S = Σ (log10 size − mean)²

σ_seed is the deviation of a network's mean loss between seeds, σ_day that of a day's part of the
slope (nats per decade), n_eff the number of independent assets. A gain is seen (two-sided at 5 %)
with a probability of 80 % from z(.975) + z(.8) = 2.80 standard errors; *flat* is certified (two
one-sided tests at 5 %) with 80 %, where nothing is there, from a margin of z(.95) + z(.9) = 2.93.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from mlxts.protocol import N_EFF_ASSETS, NOISE, LossNoise

POWER = 0.8
SEEN = float(stats.norm.isf(0.025) + stats.norm.isf(1.0 - POWER))
CERTIFIED = float(stats.norm.isf(0.05) + stats.norm.isf(0.5 * (1.0 - POWER)))


@dataclass(frozen=True)
class Design:
    """What is compared, and on how much.

    Attributes:
        sizes: of the axis, at least two of them different.
        seeds: networks of each size at each origin; origins: of forecast, 1 on the fixed splits.
        days: that are scored, over all origins. n_eff_assets: independent assets among the scored.
    """

    sizes: Sequence[float]
    seeds: int
    days: int
    origins: int = 1
    n_eff_assets: float = 1.0

    @property
    def decades(self) -> float:
        """S, squared decades."""
        x = np.log10(np.unique(np.asarray(self.sizes, dtype=np.float64)))
        return float(((x - x.mean()) ** 2).sum())

    def error(self, noise: LossNoise = NOISE["residual"]) -> float:
        """SE of the slope in nats per decade; infinite with one size or no day."""
        if not (self.decades and self.days):
            return math.inf
        seed_variance = noise.seed**2 / (self.seeds * self.origins * self.decades)
        return math.sqrt(seed_variance + noise.day**2 / (self.days * self.n_eff_assets))


def smallest_gain(error: float) -> float:
    """The smallest gain that is seen with 80 %, in the unit of the standard error."""
    return SEEN * error


def smallest_margin(error: float) -> float:
    """The smallest margin within which *flat* is certified with 80 %, where nothing is there."""
    return CERTIFIED * error


def effective_assets(count: int) -> float:
    """Independent assets among `count`, between those that were measured (`N_EFF_ASSETS`)."""
    measured_counts = sorted(N_EFF_ASSETS)
    return float(
        np.interp(count, measured_counts, [N_EFF_ASSETS[measured] for measured in measured_counts])
    )
