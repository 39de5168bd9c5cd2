"""Long paths of the simulated markets, and what happened on them by a naive loop."""

from datetime import date
from functools import cache

import numpy as np
import polars as pl

from mlxts import protocol
from mlxts.data import calendar
from mlxts.protocol import Task
from mlxts.simulation.markets import MARKETS, make

BINARY = [task for task in protocol.TASKS.values() if task.binary]
BLOCK = 500  # days; longer than any horizon, and than the memory of any market
# The teacher shows 2,000 numbers a day, so its path is shorter.
_UNTIL = {kind: date(2030 if kind == "teacher" else 2450, 12, 31) for kind in MARKETS}


@cache
def bars(kind: str, seed: int = 7) -> pl.DataFrame:
    """One path from 1960 on, without the planted features: 123,000 days, the teacher 18,000."""
    days = calendar.sessions(date(1960, 1, 1), _UNTIL[kind])
    return make(kind).simulate(days, seed=seed).select(pl.exclude("planted"))


def outcomes(frame: pl.DataFrame, task: Task, horizon: int) -> np.ndarray:
    """A naive loop over the definition of the task; the last `horizon` days have none."""
    high, close = frame["high"].to_numpy(), frame["close"].to_numpy()
    n = len(close) - horizon
    if task.threshold is None:
        return close[horizon:] > close[:n]
    best = np.max([high[k : n + k] for k in range(1, horizon + 1)], axis=0)
    return best >= close[:n] * (1 + task.threshold)


def deviations(errors: np.ndarray) -> float:
    """How many standard errors a mean lies from 0; blocks of days count as independent."""
    blocks = errors[: len(errors) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=1)
    spread = blocks.std(ddof=1) / np.sqrt(len(blocks))
    return float(abs(blocks.mean()) / (spread + 1e-12))
