"""Regression on the logs of past scale: the forecast that any network has to beat, or builds on.

HAR (Corsi 2009) on log ranges and its one-feature sibling on volatility, each asset's own. What is
fitted is a handful of numbers, which can be written down and read back, so that a network that
learns what HAR leaves over (`model.residual_of`) always learns that of the same HAR.

Bars are daily: date, symbol, open, high, low, close, volume; sorted by (symbol, date).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import polars as pl
from jaxtyping import Float, Float64, Int64

from mlxts.baselines.base import Forecast
from mlxts.dataset.labels import RESOLUTION
from mlxts.dataset.samples import Dataset
from mlxts.protocol import BASELINE, HAR_WINDOWS, MIN_CLASS_SAMPLES, Task

DECAY = 0.94  # of the daily variance (RiskMetrics 1996)
CONSTANT = 1e-12  # deviation of logs that differ by rounding alone


def volatility(bars: pl.DataFrame) -> Float64[np.ndarray, "{bars.height} 1"]:
    """Exponentially weighted volatility of daily log returns; NaN on a first bar."""
    returns = (pl.col("close") / pl.col("close").shift(1)).log()
    variance = (returns**2).ewm_mean(alpha=1.0 - DECAY, adjust=True, ignore_nulls=True)
    return bars.select(variance.sqrt().over("symbol").cast(pl.Float64)).to_numpy()


def ranges(bars: pl.DataFrame) -> Float64[np.ndarray, "{bars.height} 3"]:
    """Means of log(high / low) over the last 1, 5 and 22 days (fewer at the start)."""
    log_range = (pl.col("high") / pl.col("low")).log()
    means = [
        log_range.rolling_mean(days, min_samples=1).over("symbol").alias(f"range_{days}")
        for days in HAR_WINDOWS
    ]
    return bars.select(means).to_numpy()


# Of each bar, not negative, causal.
Measure = Callable[[pl.DataFrame], Float64[np.ndarray, "rows k"]]
MEASURES: Mapping[str, Measure] = MappingProxyType({"volatility": volatility, BASELINE: ranges})


@dataclass(frozen=True)
class ScaleModel:
    """A fitted regression on the logs of k measures: a logit, or a number in the task's unit."""

    measure: str  # key of MEASURES
    floors: tuple[float, ...]  # (k,) the smallest value that has a logarithm
    center: tuple[float, ...]  # (k,) of the logs on the training rows
    spread: tuple[float, ...]  # (k,)
    weights: tuple[float, ...]  # (k,) of the standardised logs
    bias: float

    def __call__(self, measures: Float64[np.ndarray, "n k"]) -> Float64[np.ndarray, " n"]:
        """Of days with these measures of scale, see `MEASURES`: logits, or numbers."""
        logs = log_scale(measures, np.array(self.floors))
        # Row by row: a matrix product's last bits depend on how many rows there are.
        return ((logs - self.center) / self.spread * self.weights).sum(axis=1) + self.bias


def obstacle(dataset: Dataset) -> str | None:
    """Why nothing can be fitted on the training samples of one symbol, or None.

    Args:
        dataset: with the samples of that symbol alone, see `samples.of_symbol`.
    """
    train, symbol = dataset.samples["train"].targets, dataset.score_on
    if not dataset.task.binary:
        if len(train) < MIN_CLASS_SAMPLES:
            return (
                f"trained on {len(train)} samples of {symbol}, "
                f"at least {MIN_CLASS_SAMPLES} are needed"
            )
        if train.min() == train.max():
            return f"trained on {symbol}, of which every {dataset.task.unit} is the same"
        return None
    positives = int((train > 0.5).sum())
    negatives = len(train) - positives
    if min(positives, negatives) < MIN_CLASS_SAMPLES:
        return (
            f"trained on {positives} positives and {negatives} negatives of {symbol}, "
            f"at least {MIN_CLASS_SAMPLES} of each are needed"
        )
    return None


def fit(dataset: Dataset, measure: str) -> ScaleModel:
    """Logistic (of a number: linear) regression on the training samples alone.

    Args:
        dataset: with the samples of one symbol alone, see `samples.of_symbol`: one regression over
            several assets is a weaker one for each.
        measure: key of `MEASURES`.
    """
    train = dataset.samples["train"]
    measures = MEASURES[measure](dataset.daily)
    floors = floor(measures[train.daily_rows])
    logs = log_scale(measures[train.daily_rows], floors)
    center, spread = logs.mean(axis=0), logs.std(axis=0)
    spread[spread <= CONSTANT] = 1.0
    inputs = (logs - center) / spread
    weights, bias = regress(inputs, train.targets, dataset.task)
    return ScaleModel(
        measure=measure,
        floors=tuple(floors.tolist()),
        center=tuple(center.tolist()),
        spread=tuple(spread.tolist()),
        weights=tuple(weights.tolist()),
        bias=bias,
    )


def regress(
    inputs: Float64[np.ndarray, "n k"], targets: Float[np.ndarray, " n"], task: Task
) -> tuple[Float64[np.ndarray, " k"], float]:
    """Weights and bias of a logistic, of numbers a linear, regression."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    if not task.binary:
        linear = LinearRegression().fit(inputs, targets.astype(np.float64))
        return linear.coef_, float(linear.intercept_)
    logistic = LogisticRegression().fit(inputs, targets > 0.5)
    return logistic.coef_[0], float(logistic.intercept_[0])


def daily_rows(data: Dataset) -> Int64[np.ndarray, " {data.bars.height}"]:
    """The row among the daily bars of the day on which each bar ends; -1 where there is none."""
    keys = ["date", "symbol"]
    days = data.daily.select(*keys).with_row_index("day")
    of_bar = data.bars.select(keys).join(days, on=keys, how="left", maintain_order="left")
    return of_bar["day"].cast(pl.Int64).fill_null(-1).to_numpy()


def floor(train: Float64[np.ndarray, "n k"]) -> Float64[np.ndarray, " k"]:
    """The smallest positive value of each training measure.

    A bar whose high equals its low has no logarithm; the calmest training day's is used.
    """
    lowest = np.where(np.nan_to_num(train) > RESOLUTION, train, np.inf).min(axis=0)
    lowest[np.isinf(lowest)] = 1.0  # every training value is 0: a constant, which teaches nothing
    return lowest


def log_scale(
    measures: Float64[np.ndarray, "rows k"], floors: Float64[np.ndarray, " k"]
) -> Float64[np.ndarray, "rows k"]:
    """Logs of measures, each floored at `floors`; what is not known is floored too."""
    return np.log(np.maximum(np.where(np.isfinite(measures), measures, 0.0), floors))


@dataclass(frozen=True)
class ScaleRegression:
    """Logistic (of a number: linear) regression on the logs of causal measures of scale."""

    name: str  # key of `MEASURES`

    def fit(self, dataset: Dataset) -> Forecast:
        forecasts = fit(dataset, self.name)(MEASURES[self.name](dataset.daily))
        return lambda samples: forecasts[samples.daily_rows]
