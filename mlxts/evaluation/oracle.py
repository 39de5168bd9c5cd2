"""The best possible forecast, as one more model, where a simulated market stores it.

It is the probability of the target given all that the market shows until the decision, so no
honest model has a lower expected log loss on the same rows. One whose interval lies below it has
seen the future, or the market does not do what it says.
"""

from collections.abc import Iterable
from typing import Any

import polars as pl
from scipy.special import logit

from mlxts.data.sources.base import oracle_column
from mlxts.dataset.samples import Dataset
from mlxts.evaluation import predictions

NAME = "bayes"
_ROUNDING = 1e-12
EXCESS = "log_loss_over_bayes"  # the figure: a model's log loss minus the Bayes forecast's


def forecast(dataset: Dataset, splits: Iterable[str]) -> dict[str, pl.DataFrame]:
    """`NAME` -> a table as in `predictions.py`; empty where the data carry no such probability."""
    column = oracle_column(dataset.task.name, dataset.horizon)
    if column not in dataset.daily.columns:
        return {}
    # What is rarer than the rounding of its integral is not impossible.
    logits = logit(dataset.daily[column].to_numpy().clip(_ROUNDING, 1.0 - _ROUNDING))
    tables = [
        predictions.table(samples, split, logits[samples.daily_rows])
        for split, samples in ((split, dataset.samples[split]) for split in splits)
    ]
    return {NAME: pl.concat(tables)}


def impossible(figures: dict[str, Any]) -> bool:
    """Whether a model is better than can be: its 95 % interval lies below the Bayes forecast."""
    low_high = figures["interval"].get(EXCESS)
    return low_high is not None and low_high[1] < 0.0
