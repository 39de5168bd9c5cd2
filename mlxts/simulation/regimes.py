"""P1: a hidden drift. Two regimes with opposite drifts, not observable, alternate.

On a day of regime s in {-1, +1} the log return is normal with mean s δ σ and deviation σ, so δ is
the daily signal-to-noise ratio. The volume depends on the regime too: its logarithm is normal with
mean s c / 2 in units of its standard deviation. The bars contain no more information: given the
day's return, its high and low do not depend on the drift. A day's log-likelihood ratio is therefore

    log p(bar | +1) - log p(bar | -1) = 2 δ x / σ + c v

for the log return x and the standardised log volume v, and the forward algorithm's posterior π_t
is exact. Given today's regime, the number of the next H days in each regime has a finite
distribution (direction), and a touch an exact recursion (see `first_passage`); the forecast is the
mixture of both with weights π_t.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from mlxts.protocol import Task
from mlxts.simulation import base, first_passage, hidden_markov, price_path
from mlxts.simulation.base import VOLATILITY
from mlxts.simulation.first_passage import Day
from mlxts.simulation.hidden_markov import Chain, mixed


@dataclass(frozen=True)
class HiddenRegime:
    """P1.

    Attributes:
        drift: δ, a day's drift in either direction, in daily volatilities.
        stay: probability that the next day is in the same regime.
        clarity: c, how far the regimes' mean log volumes lie apart, in its deviations; 0: only
            returns reveal.
        volatility: σ, deviation of a day's log return within a regime.
    """

    drift: float = 0.2
    stay: float = 0.98
    clarity: float = 1.0
    volatility: float = VOLATILITY

    @cached_property
    def chain(self) -> Chain:
        return Chain(self.stay, self.stay)

    @cached_property
    def days(self) -> tuple[Day, Day]:
        """The law of a day in the regime that falls, and in the one that rises."""
        pull = self.drift * self.volatility
        falling, rising = (Day(m, self.volatility, self.volatility) for m in (-pull, pull))
        return falling, rising

    def simulate(self, days: list[date], *, seed: int, stream: int = 0) -> pl.DataFrame:
        noise = price_path.noise(len(days), seed=seed, stream=stream)
        sign = 2.0 * self.chain.path(noise.hidden.random(len(days))) - 1.0
        moved = price_path.moves(sign * self.drift * self.volatility, self.volatility, noise)
        trade = noise.trade + sign * self.clarity / 2
        seen = self.chain.posterior(self.log_ratio(moved.close, trade))
        return price_path.bars(days, moved, trade).hstack(
            base.oracles(lambda task, horizon: mixed(seen, self.probability(task, horizon)))
        )

    def log_ratio(self, returns: np.ndarray, trade: np.ndarray) -> np.ndarray:
        """(n,) log density of a day in the rising regime over that in the falling one."""
        return 2 * self.drift * returns / self.volatility + self.clarity * trade

    def probability(self, task: Task, horizon: int) -> np.ndarray:
        """P(target | regime of day t), as [given falling, given rising]."""
        if task.threshold is None:
            down, up = self.days
            counts = self.chain.counts(horizon)
            return hidden_markov.up((down.mean, up.mean), (down.spread, up.spread), counts)
        tomorrow = first_passage.touch(self.days, self.chain.move, base.barrier(task), horizon)
        return np.array(self.chain.move) @ tomorrow

    def exact(self) -> dict[str, Any]:
        return {}
