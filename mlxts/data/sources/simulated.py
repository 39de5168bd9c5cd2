"""Martingales whose probabilities are known exactly: what a model can learn, and what it cannot.

The log-price is a driftless Brownian motion W run on the clock of its own variance. Day t has the
variance s_t^2, so over a horizon of H days the elapsed variance is V = s_{t+1}^2 + ... + s_{t+H}^2
and, given V, by the reflection principle (Karatzas & Shreve 1991, 2.6)

    P(max W >= b) = 2 Phi(-b / sqrt(V)),    P(W_H > 0) = 1/2.

`gbm` has one s. In `sv` a Markov chain of two states rules it: the days that the next H spend in
the high state have a finite distribution given today's state, and the mixture over it is exact.
So touching a threshold is predictable from volatility (in `sv`), and the direction never is.

High and low are drawn from their exact laws given the day's open and close, the extremes of a
Brownian bridge: M = (x + sqrt(x^2 - 2 s^2 ln U)) / 2 for a day's log return x (Glasserman 2004,
6.4). Each is exact, their dependence on one another is not modelled. A day opens at the close of
the day before, so the highs of the horizon cover its whole path. Volume is noise.
"""

import zlib
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import polars as pl
from scipy.special import ndtr

from mlxts import protocol
from mlxts.data import calendar
from mlxts.data.sources.base import Fetched, as_bars, asked_range, oracle_column, within

Kind = Literal["gbm", "sv"]
HORIZONS = (1, 2, 3, 5, 10, 21)  # trading days with stored probabilities
FIRST_PRICE = 100.0
VOLUME = 1e7  # median, shares a day
VOLUME_SPREAD = 0.3  # deviation of its logarithm


@dataclass(frozen=True)
class Volatility:
    """A two-state Markov chain of daily volatility, standard deviations of the log return.

    Attributes:
        low, high: volatility of a day in either state.
        stay_low, stay_high: probability that the next day is in the same state.
    """

    low: float
    high: float
    stay_low: float = 0.5
    stay_high: float = 0.5

    @property
    def share_high(self) -> float:
        """Stationary probability of the high state."""
        return (1 - self.stay_low) / (2 - self.stay_low - self.stay_high)


MODELS: dict[Kind, Volatility] = {
    "gbm": Volatility(0.01, 0.01),
    "sv": Volatility(0.006, 0.018, stay_low=0.98, stay_high=0.95),
}


@dataclass(frozen=True)
class SimulatedSource:
    """A simulated series on the sessions of the New York exchange.

    Any symbol is known: it names an independent path. A path is decided by model, seed, symbol and
    `first`; a later `last` continues it.
    """

    kind: Kind = "sv"
    seed: int = 0
    first: date = date(1993, 1, 29)
    last: date = date(2025, 12, 31)

    name = "simulated"

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """Bars with a column `oracle_<task>_h<H>` for each binary task and each H of HORIZONS.

        Raises:
            SourceError: no session lies between `start` and `end`.
        """
        days = calendar.sessions(self.first, self.last)
        bars = simulate(MODELS[self.kind], days, seed=self.seed, stream=zlib.crc32(symbol.encode()))
        kept = within(bars, start, end, what=f"the simulation of {symbol}")
        path = {"first": str(self.first), "last": str(self.last)}
        described = {"kind": self.kind, "seed": self.seed, **path, **asked_range(start, end)}
        return Fetched(kept, described)


def simulate(model: Volatility, days: list[date], *, seed: int, stream: int = 0) -> pl.DataFrame:
    """One path with a bar a day. Longer `days` extend it; `stream` picks independent paths."""
    n = len(days)
    chain, shock, top, bottom, trade = (
        np.random.default_rng(s) for s in np.random.SeedSequence((seed, stream)).spawn(5)
    )
    state = _states(model, chain.random(n))
    s = np.where(state == 1, model.high, model.low)
    x = s * shock.standard_normal(n)
    # 1 - random() lies in (0, 1], where the logarithm is finite.
    up = (x + np.sqrt(x**2 - 2 * s**2 * np.log(1 - top.random(n)))) / 2
    down = (x - np.sqrt(x**2 - 2 * s**2 * np.log(1 - bottom.random(n)))) / 2
    close = FIRST_PRICE * np.exp(np.cumsum(x))
    open_ = np.concatenate([[FIRST_PRICE], close[:-1]])
    bars = pl.DataFrame(
        {
            "date": pl.Series(days, dtype=pl.Date),
            "open": open_,
            # Rounding may leave an extreme a hair inside the bar that it bounds.
            "high": np.maximum(open_ * np.exp(up), np.maximum(open_, close)),
            "low": np.minimum(open_ * np.exp(down), np.minimum(open_, close)),
            "close": close,
            "volume": np.round(VOLUME * np.exp(VOLUME_SPREAD * trade.standard_normal(n))),
        }
    )
    return as_bars(bars).with_columns(
        pl.Series(oracle_column(task.name, horizon), probability(model, task, horizon)[state])
        for task in protocol.TASKS.values()
        if task.kind != "regression"
        for horizon in HORIZONS
    )


def probability(model: Volatility, task: protocol.Task, horizon: int) -> np.ndarray:
    """P(target of a binary task | state of day t), as [given low, given high]."""
    if task.threshold is None:
        return np.full(2, 0.5)
    high_days = np.arange(horizon + 1)
    variance = high_days * model.high**2 + (horizon - high_days) * model.low**2
    touch = 2 * ndtr(-np.log1p(task.threshold) / np.sqrt(variance))
    return days_in_high(model, horizon) @ touch


def days_in_high(model: Volatility, horizon: int) -> np.ndarray:
    """Law of how many of the next `horizon` days are in the high state; shape (2, horizon + 1).

    Row i is given that today is in state i (0 low, 1 high).
    """
    move = np.array([[model.stay_low, 1 - model.stay_low], [1 - model.stay_high, model.stay_high]])
    # joint[i, j, k] = P(state j after the days so far, k of them high | state i today)
    joint = np.zeros((2, 2, horizon + 1))
    joint[[0, 1], [0, 1], 0] = 1.0
    for _ in range(horizon):
        joint = np.einsum("ijk,jm->imk", joint, move)
        joint[:, 1] = np.roll(joint[:, 1], 1, axis=-1)  # k never reaches the end before the last
    return joint.sum(axis=1)


def _states(model: Volatility, uniform: np.ndarray) -> np.ndarray:
    """A path of the chain from its stationary law, one uniform number a day."""
    states = np.empty(len(uniform), dtype=np.int8)
    state = 0
    for index, u in enumerate(uniform):
        if index == 0:
            to_high = model.share_high
        else:
            to_high = model.stay_high if state else 1 - model.stay_low
        state = int(u < to_high)
        states[index] = state
    return states
