"""P2: a market of patterns with Zipf frequencies, whose scaling exponents are known.

Each day shows one of many patterns, and the pattern decides the sign of tomorrow's drift:
P(up | k) = Φ(s_k δ). Patterns come in pairs of rank j, one that rises and one that falls, each with
half of the pair's probability p_j ∝ j^{-(1+a)}; so half of the days rise and prices do not drift.
A pattern is observed as a random code, a point of R^20 with independent normal coordinates (the
column `planted`), which carries no information about its sign: each has to be memorised.

The excess log loss of a learner that knows the first n ranks exactly, and forecasts 1/2 elsewhere,
is

    (ln 2 - h(Φ(δ))) Σ_{j>n} p_j ~ n^{-a}

(h is the binary entropy); one that learns from D samples knows the ranks that it has seen often
enough, whatever δ, and its excess log loss is ~ D^{-a/(1+a)} (Hutter 2021, 2102.04074; Michaud et
al. 2023, 2303.13506). Only the constant depends on δ.

All later patterns are independent draws, so every later day rises with probability 1/2, and the
probabilities at longer horizons are exact as well.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri

from mlxts.protocol import Task
from mlxts.simulation import base, bayes_scores, first_passage, hidden_markov, price_path
from mlxts.simulation.base import VOLATILITY
from mlxts.simulation.first_passage import Day
from mlxts.simulation.hidden_markov import FAIR

RANKS = 2**19  # pairs of patterns
CODE = 20  # coordinates of a pattern's code


@dataclass(frozen=True)
class ZipfPatterns:
    """P2.

    Attributes:
        exponent: a; the law in capacity has this exponent, the one in data a / (1 + a).
        drift: δ, tomorrow's drift in either direction, in daily volatilities.
        volatility: σ, deviation of a day's log return given its drift.
    """

    exponent: float = 0.5
    drift: float = 0.5
    volatility: float = VOLATILITY

    @cached_property
    def days(self) -> tuple[Day, Day]:
        """The law of a day that falls, and of one that rises."""
        pull = self.drift * self.volatility
        falling, rising = (Day(m, self.volatility, self.volatility) for m in (-pull, pull))
        return falling, rising

    def simulate(self, days: list[date], *, seed: int, stream: int = 0) -> pl.DataFrame:
        noise = price_path.noise(len(days), seed=seed, stream=stream)
        # The first one belongs to the day before the first bar.
        uniform = noise.hidden.random((len(days) + 1, 2))
        patterns = self.patterns(uniform)
        sign = signs(patterns, seed)
        moved = price_path.moves(sign[:-1] * self.drift * self.volatility, self.volatility, noise)
        rises = (sign[1:] > 0).astype(np.intp)
        return price_path.bars(days, moved, noise.trade).hstack(
            [
                *base.oracles(lambda task, horizon: self.probability(task, horizon)[rises]),
                base.planted(codes(patterns[1:], seed)),
            ]
        )

    def patterns(self, uniform: np.ndarray) -> np.ndarray:
        """(n,) patterns from (n, 2) uniform numbers: 2 (rank - 1) + side, rank from 1 on."""
        summed = np.cumsum(shares(self.exponent))
        rank = np.minimum(np.searchsorted(summed, uniform[:, 0], side="right"), RANKS - 1)
        return 2 * rank + (uniform[:, 1] < 0.5)

    def probability(self, task: Task, horizon: int) -> np.ndarray:
        """P(target | sign of tomorrow's drift), as [given it falls, given it rises]."""
        if task.threshold is None:
            down, up = self.days
            counts = FAIR.counts_from(horizon)
            return hidden_markov.up((down.mean, up.mean), (down.spread, up.spread), counts)
        return first_passage.touch(self.days, FAIR.move, base.barrier(task), horizon)

    def capacity_excess(self, learnt: np.ndarray) -> np.ndarray:
        """Expected log loss over the Bayes rule's, at H = 1, of knowing the first `known` ranks."""
        unknown = 1.0 - np.r_[0.0, np.cumsum(shares(self.exponent))][learnt]
        return (np.log(2) - float(bayes_scores.entropy(ndtr(np.array(self.drift))))) * unknown

    def exact(self) -> dict[str, Any]:
        tasks = {
            f"{task.name}_h{horizon}": bayes_scores.figures(
                self.probability(task, horizon), np.array([0.5, 0.5])
            )
            for task, horizon in base.binary_tasks()
        }
        exponents = {"capacity": self.exponent, "data": self.exponent / (1 + self.exponent)}
        return {"exponents": exponents, "bayes_of_the_law": tasks}


@lru_cache(maxsize=4)
def shares(exponent: float) -> np.ndarray:
    """(RANKS,) probability of each pair of patterns, the most frequent first."""
    weights = np.arange(1, RANKS + 1, dtype=np.float64) ** -(1 + exponent)
    return weights / weights.sum()


def signs(patterns: np.ndarray, seed: int) -> np.ndarray:
    """(n,) -1.0 or 1.0; a coin decides which of a pair rises."""
    rank, side = patterns // 2, patterns % 2
    coin = (_hash(rank, seed, stream=0) >> np.uint64(63)).astype(np.int64)
    return 1.0 - 2.0 * (coin ^ side)


def codes(patterns: np.ndarray, seed: int) -> np.ndarray:
    """(n, CODE) float32, independent standard normal coordinates of each pattern."""
    distinct, place = np.unique(patterns, return_inverse=True)
    bits = np.column_stack([_hash(distinct, seed, stream=1 + i) for i in range(CODE)])
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return ndtri(uniform).astype(np.float32)[place]


def _hash(numbers: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """(n,) uint64 that look random: SplitMix64 (Steele, Lea and Flood 2014) of a keyed number."""
    key = np.random.SeedSequence((seed, stream)).generate_state(1, np.uint64)[0]
    z = _mixed(numbers.astype(np.uint64) + np.uint64(1)) ^ key
    return _mixed(z)


def _mixed(z: np.ndarray) -> np.ndarray:
    z = z * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
