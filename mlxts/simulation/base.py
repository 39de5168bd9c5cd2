"""What every simulated market promises, and the oracle columns that it stores."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Protocol

import numpy as np
import polars as pl

from mlxts import protocol
from mlxts.data.sources.base import PLANTED, oracle_column
from mlxts.protocol import Task

HORIZONS = (1, 2, 3, 5, 10, 21)  # trading days with stored probabilities
VOLATILITY = 0.01  # deviation of a day's log return, where a market has no other


class Market(Protocol):
    """A law of bars whose probabilities are known. Its dataclass fields are its parameters."""

    def simulate(self, days: list[date], *, seed: int, stream: int = 0) -> pl.DataFrame:
        """Bars of `days`, the oracle columns, and `planted` where the market has features.

        Longer `days` extend the path. `seed` decides the market, `stream` picks one of its
        independent paths, each of them another symbol.
        """
        ...

    def exact(self) -> dict[str, Any]:
        """JSON-serialisable figures of the law itself, for the manifest; may be empty."""
        ...


def binary_tasks() -> Iterator[tuple[Task, int]]:
    """Every task that has a probability, at each horizon that is stored."""
    for task in protocol.TASKS.values():
        if task.binary:
            yield from ((task, horizon) for horizon in HORIZONS)


def oracles(probability: Callable[[Task, int], np.ndarray]) -> list[pl.Series]:
    """The columns `oracle_<task>_h<H>`; `probability` gives the (n,) values of one."""
    return [
        pl.Series(oracle_column(task.name, horizon), probability(task, horizon))
        for task, horizon in binary_tasks()
    ]


def planted(values: np.ndarray) -> pl.Series:
    """The column of (n, F) float32 features that a market has besides its bars."""
    kind = pl.Array(pl.Float32, values.shape[1])
    return pl.Series(PLANTED, np.ascontiguousarray(values, dtype=np.float32), dtype=kind)


def barrier(task: Task) -> float:
    """The log price, from the decision's close, that is the barrier of a threshold task."""
    assert task.threshold is not None
    return float(np.log1p(task.threshold))
