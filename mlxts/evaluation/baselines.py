"""What any model has to beat: forecasts from past volatility alone.

A baseline is fitted on the training samples and then speaks about rows. It is never shown the
targets of another split: `predictions` takes them from the data set itself, after the fit.

At every timescale a baseline reads daily bars: what it asks is H days ahead, and the last days
say more about them than the same days summed up to a week or a month.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

import numpy as np
import polars as pl

from mlxts.dataset import Dataset, Samples
from mlxts.evaluation import predictions as predictions_file
from mlxts.protocol import BASELINE, HAR_WINDOWS, Task

DECAY = 0.94  # of the daily variance (RiskMetrics 1996)
TERCILES = 3
RESOLUTION = 1e-9  # log price; a rolling mean of zeros may miss 0 by its rounding

Fitted = Callable[[np.ndarray], np.ndarray]  # (n,) rows -> (n,) logits or predicted log returns


class Baseline(Protocol):
    """A forecaster without a network."""

    @property
    def name(self) -> str: ...

    def fit(self, bars: pl.DataFrame, train: Samples, task: Task) -> Fitted:
        """Learn from the training samples.

        Args:
            bars: daily: date, symbol, open, high, low, close, volume; sorted by (symbol, date).
            train: whose `rows` point into `bars`.
            task: decides what is predicted, a logit or a log return.

        Returns:
            A forecast of any row of `bars`, which reads nothing later than that row.
        """
        ...


def volatility(bars: pl.DataFrame) -> np.ndarray:
    """(rows, 1) exponentially weighted volatility of daily log returns; NaN on a first bar."""
    returns = (pl.col("close") / pl.col("close").shift(1)).log()
    variance = (returns**2).ewm_mean(alpha=1.0 - DECAY, adjust=True, ignore_nulls=True)
    return bars.select(variance.sqrt().over("symbol").cast(pl.Float64)).to_numpy()


def ranges(bars: pl.DataFrame) -> np.ndarray:
    """(rows, 3) means of log(high / low) over the last 1, 5 and 22 days (fewer at the start)."""
    log_range = (pl.col("high") / pl.col("low")).log()
    means = [
        log_range.rolling_mean(days, min_samples=1).over("symbol").alias(f"range_{days}")
        for days in HAR_WINDOWS
    ]
    return bars.select(means).to_numpy()


@dataclass(frozen=True)
class Climatology:
    """The training base rate of the day's volatility tercile; for regression the training mean.

    The mean return is not split by tercile: nothing known says that it varies with volatility.
    """

    name: str = "climatology"

    def fit(self, bars: pl.DataFrame, train: Samples, task: Task) -> Fitted:
        if task.kind == "regression":
            mean = float(train.targets.mean(dtype=np.float64))
            return lambda rows: np.full(len(rows), mean)
        measure = _log_scale(volatility(bars), train.rows)[:, 0]
        edges = np.quantile(measure[train.rows], np.arange(1, TERCILES) / TERCILES)
        tercile = np.searchsorted(edges, measure)
        logits = np.full(TERCILES, prior_logit(train.targets))
        for index in np.unique(tercile[train.rows]):
            logits[index] = prior_logit(train.targets[tercile[train.rows] == index])
        return lambda rows: logits[tercile[rows]]


@dataclass(frozen=True)
class ScaleRegression:
    """Logistic (for regression: linear) regression on the logs of causal measures of scale."""

    name: str
    measures: Callable[[pl.DataFrame], np.ndarray]  # bars -> (rows, k), not negative, causal

    def fit(self, bars: pl.DataFrame, train: Samples, task: Task) -> Fitted:
        from sklearn.linear_model import LinearRegression, LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        inputs = _log_scale(self.measures(bars), train.rows)
        if task.kind == "regression":
            linear = make_pipeline(StandardScaler(), LinearRegression())
            linear.fit(inputs[train.rows], train.targets.astype(np.float64))
            return lambda rows: linear.predict(inputs[rows])
        if train.targets.min() == train.targets.max():
            constant = prior_logit(train.targets)
            return lambda rows: np.full(len(rows), constant)
        logistic = make_pipeline(StandardScaler(), LogisticRegression())
        logistic.fit(inputs[train.rows], train.targets > 0.5)
        return lambda rows: logistic.decision_function(inputs[rows])


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        baseline.name: baseline
        for baseline in (
            Climatology(),
            ScaleRegression("volatility", volatility),
            ScaleRegression(BASELINE, ranges),  # HAR (Corsi 2009) on log ranges
        )
    }
)


def predictions(
    dataset: Dataset, splits: Iterable[str], names: Iterable[str] = BASELINES
) -> dict[str, pl.DataFrame]:
    """Fit on the training split and speak about every sample of `splits`.

    Returns:
        For each baseline a table as in `predictions.py`.
    """
    splits, tables = tuple(splits), {}
    train = dataset.samples["train"]
    train = replace(train, rows=train.daily_rows)
    for name in names:
        fitted = BASELINES[name].fit(dataset.daily, train, dataset.task)
        tables[name] = pl.concat(
            predictions_file.table(samples, split, fitted(samples.daily_rows))
            for split, samples in ((split, dataset.samples[split]) for split in splits)
        )
    return tables


def prior_logit(targets: np.ndarray) -> float:
    """Log odds of a positive; a share of 0 or 1 is moved half a sample inwards, to be finite."""
    half = 0.5 / len(targets)
    rate = min(max(float(targets.mean(dtype=np.float64)), half), 1.0 - half)
    return math.log(rate) - math.log1p(-rate)


def _log_scale(measures: np.ndarray, train_rows: np.ndarray) -> np.ndarray:
    """Logs of (rows, k) measures, each floored at its smallest positive training value.

    A bar whose high equals its low has no logarithm; the calmest training day stands in.
    """
    known = np.where(np.isfinite(measures), measures, 0.0)
    train = known[train_rows]
    floor = np.where(train > RESOLUTION, train, np.inf).min(axis=0)
    floor[np.isinf(floor)] = 1.0  # every training value is 0: a constant, which teaches nothing
    return np.log(np.maximum(known, floor))
