"""What any model has to beat, fitted on the training samples of the same data set.

A baseline is fitted and then speaks about samples. It is never shown the targets of another split:
`predictions` takes them from the data set itself, after the fit.

The first three read past volatility alone, cost nothing and stand beside every score. The others
(`mlxts baselines`) ask what else is worth a network: a random walk's closed form (`walk.py`), the
same features without a window (`learners.py`), and the same window without attention
(`rivals.py`).

At every timescale those of volatility read daily bars: what they are asked is H days ahead, and
the last days say more about them than the same days summed up to a week or a month.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import polars as pl

from mlxts.dataset import Dataset, Samples
from mlxts.evaluation import predictions as predictions_file
from mlxts.model import scale
from mlxts.model.scale import prior_logit
from mlxts.protocol import BASELINE

TERCILES = 3

Fitted = Callable[[Samples], np.ndarray]  # n samples -> (n,) logits or predicted log returns


class Baseline(Protocol):
    """A forecaster that is no PatchTST."""

    @property
    def name(self) -> str: ...

    def fit(self, dataset: Dataset) -> Fitted:
        """Learn from the training samples.

        Returns:
            A forecast of any samples of the data set, which reads nothing later than the decision
            bar of each.
        """
        ...


@dataclass(frozen=True)
class Climatology:
    """The training base rate of the day's volatility tercile; for regression the training mean.

    The mean return is not split by tercile: nothing known says that it varies with volatility.
    """

    name: str = "climatology"

    def fit(self, dataset: Dataset) -> Fitted:
        train = dataset.samples["train"]
        if dataset.task.kind == "regression":
            mean = float(train.targets.mean(dtype=np.float64))
            return lambda samples: np.full(len(samples), mean)
        measure = scale.volatility(dataset.daily)
        measure = scale.log_scale(measure, scale.floor(measure[train.daily_rows]))[:, 0]
        edges = np.quantile(measure[train.daily_rows], np.arange(1, TERCILES) / TERCILES)
        tercile = np.searchsorted(edges, measure)
        logits = np.full(TERCILES, prior_logit(train.targets))
        for index in np.unique(tercile[train.daily_rows]):
            logits[index] = prior_logit(train.targets[tercile[train.daily_rows] == index])
        return lambda samples: logits[tercile[samples.daily_rows]]


@dataclass(frozen=True)
class ScaleRegression:
    """Logistic (for regression: linear) regression on the logs of causal measures of scale."""

    name: str  # key of `scale.MEASURES`

    def fit(self, dataset: Dataset) -> Fitted:
        said = scale.fit(dataset, self.name)(dataset.daily)
        return lambda samples: said[samples.daily_rows]


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        baseline.name: baseline
        for baseline in (Climatology(), ScaleRegression("volatility"), ScaleRegression(BASELINE))
    }
)


def predictions(
    dataset: Dataset,
    splits: Iterable[str],
    names: Iterable[str] = BASELINES,
    known: Mapping[str, Baseline] = BASELINES,
) -> dict[str, pl.DataFrame]:
    """Fit on the training split and speak about every sample of `splits`.

    Args:
        names: which, keys of `known`.

    Returns:
        For each baseline a table as in `predictions.py`.
    """
    splits, tables = tuple(splits), {}
    for name in names:
        fitted = known[name].fit(dataset)
        tables[name] = pl.concat(
            predictions_file.table(samples, split, fitted(samples))
            for split, samples in ((split, dataset.samples[split]) for split in splits)
        )
    return tables
