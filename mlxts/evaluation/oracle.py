"""The best possible forecast, as one more model, where a simulated market stores it.

It is the probability of the target given all that is observable at the decision, so no model
without look-ahead has a lower expected log loss on the same rows. Where a model's interval lies
below it, the model reads the future, or the stored probabilities are wrong.
"""

from collections.abc import Iterable

import polars as pl
from scipy.special import logit

from mlxts.data.sources.base import oracle_column
from mlxts.dataset.samples import Dataset
from mlxts.runs import predictions
from mlxts.runs.predictions import ORACLE

_ROUNDING = 1e-12


def forecast(dataset: Dataset, splits: Iterable[str]) -> dict[str, pl.DataFrame]:
    """`ORACLE` -> a table as in `runs/predictions.py`; empty where the data carry no such
    probability."""
    column = oracle_column(dataset.task.name, dataset.horizon)
    if column not in dataset.daily.columns:
        return {}
    # What is rarer than the rounding of its integral is not impossible.
    logits = logit(dataset.daily[column].to_numpy().clip(_ROUNDING, 1.0 - _ROUNDING))
    tables = [
        predictions.table(ORACLE, samples, split, logits[samples.daily_rows])
        for split, samples in ((split, dataset.samples[split]) for split in splits)
    ]
    return {ORACLE: pl.concat(tables)}
