"""The training base rate as a forecast: no model that ignores the day can do better."""

from dataclasses import dataclass

import numpy as np

from mlxts.baselines import har
from mlxts.baselines.base import Forecast
from mlxts.dataset.samples import Dataset
from mlxts.losses import prior_logit
from mlxts.runs.predictions import BASE_RATE

TERCILES = 3


@dataclass(frozen=True)
class BaseRate:
    """The training base rate, every day the same; of a number the training mean."""

    name: str = BASE_RATE

    def fit(self, dataset: Dataset) -> Forecast:
        targets = dataset.samples["train"].targets
        binary = dataset.task.binary
        constant = prior_logit(targets) if binary else targets.mean(dtype=np.float64)
        return lambda samples: np.full(len(samples), float(constant))


@dataclass(frozen=True)
class BaseRateByVolatility:
    """The training base rate (of a range: mean) of the day's volatility tercile.

    The mean return is not split by tercile: it is not known to vary with volatility.
    """

    name: str = "base_rate_by_volatility"

    def fit(self, dataset: Dataset) -> Forecast:
        train = dataset.samples["train"]
        if dataset.task.kind == "regression":
            return BaseRate().fit(dataset)
        center = prior_logit if dataset.task.binary else np.mean
        measure = har.volatility(dataset.daily)
        measure = har.log_scale(measure, har.floor(measure[train.daily_rows]))[:, 0]
        edges = np.quantile(measure[train.daily_rows], np.arange(1, TERCILES) / TERCILES)
        tercile = np.searchsorted(edges, measure)
        logits = np.full(TERCILES, center(train.targets))
        for index in np.unique(tercile[train.daily_rows]):
            logits[index] = center(train.targets[tercile[train.daily_rows] == index])
        return lambda samples: logits[tercile[samples.daily_rows]]
