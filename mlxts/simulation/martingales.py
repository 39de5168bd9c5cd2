"""Martingale markets: constant volatility, and volatility that follows a hidden Markov chain.

The log-price is a driftless, time-changed Brownian motion W. Day t has the variance s_t^2, so over
a horizon of H days the elapsed variance is V = s_{t+1}^2 + ... + s_{t+H}^2 and, given V, by the
reflection principle (Karatzas & Shreve 1991, 2.6)

    P(max W >= b) = 2 Phi(-b / sqrt(V)),    P(W_H > 0) = 1/2.

A Markov chain of two states determines s: the number of the next H days in the high state has a
finite distribution given today's state, and the mixture over it is exact. The state is not
observable. Its posterior given the bars follows from the forward algorithm, in which a day's log
return x, high u and low d (log prices relative to the open) have, given its volatility s, the
density

    c s^-5 exp(-(x^2 / 2 + 2 u (u - x) + 2 d (d - x)) / s^2)

with a c that does not depend on s. So a touch of a threshold is predictable from volatility, and
the direction is not.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtr

from mlxts.protocol import Task
from mlxts.simulation import base, price_path
from mlxts.simulation.base import VOLATILITY
from mlxts.simulation.hidden_markov import FAIR, Chain, mixed
from mlxts.simulation.price_path import Moves


@dataclass(frozen=True)
class ConstantVolatility:
    """N0: nothing is predictable beyond the base rate.

    Attributes:
        volatility: deviation of a day's log return.
    """

    volatility: float = VOLATILITY

    def simulate(self, days: list[date], *, seed: int, stream: int = 0) -> pl.DataFrame:
        return _simulate(self.volatility, self.volatility, FAIR, days, seed, stream)

    def exact(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class SwitchingVolatility:
    """N1: touches of a threshold are predictable by filtering volatility, the direction is not.

    Attributes:
        low, high: deviation of a day's log return in either state.
        stay_low, stay_high: probability that the next day is in the same state.
    """

    low: float = 0.006
    high: float = 0.018
    stay_low: float = 0.98
    stay_high: float = 0.95

    @cached_property
    def chain(self) -> Chain:
        return Chain(self.stay_low, self.stay_high)

    def simulate(self, days: list[date], *, seed: int, stream: int = 0) -> pl.DataFrame:
        return _simulate(self.low, self.high, self.chain, days, seed, stream)

    def exact(self) -> dict[str, Any]:
        return {}


def _simulate(
    low: float, high: float, chain: Chain, days: list[date], seed: int, stream: int
) -> pl.DataFrame:
    noise = price_path.noise(len(days), seed=seed, stream=stream)
    state = chain.path(noise.hidden.random(len(days)))
    moved = price_path.moves(0.0, np.where(state == 1, high, low), noise)
    seen = chain.posterior(log_ratio(moved, low, high))
    return price_path.bars(days, moved, noise.trade).hstack(
        base.oracles(lambda task, h: mixed(seen, probability(low, high, chain, task, h)))
    )


def log_ratio(moved: Moves, low: float, high: float) -> np.ndarray:
    """(n,) log of the density of a day's bar at volatility `high` over that at `low`."""
    x, u, d = moved.close, moved.high, moved.low
    energy = x**2 / 2 + 2 * u * (u - x) + 2 * d * (d - x)
    return energy * (low**-2 - high**-2) - 5 * np.log(high / low)


def probability(low: float, high: float, chain: Chain, task: Task, horizon: int) -> np.ndarray:
    """P(target of a binary task | state of day t), as [given low, given high]."""
    if task.threshold is None:
        return np.full(2, 0.5)
    high_days = np.arange(horizon + 1)
    variance = high_days * high**2 + (horizon - high_days) * low**2
    touch = 2 * ndtr(-base.barrier(task) / np.sqrt(variance))
    if low == high:
        return touch[[0, 0]]
    return chain.counts(horizon) @ touch
