"""What any model has to beat, fitted on the training samples of the same data set.

A baseline is fitted and then speaks about samples. It is never shown the targets of another split:
`beside` takes them from the data set itself, after the fit.

Those of `BASELINES` stand beside every score, each fitted on the scored asset's own training days,
so that they are the same whatever else a network was trained on. HAR and linear are the references:
the better of the two, by cross-validation within training, is the one that a model has to beat. The
others (`mlxts baselines`) ask what else is worth a network: a random walk's closed form
(`random_walk.py`), boosted trees without a window (`sklearn_models.py`), and the same window
without attention (`neural_baselines.py`).

At every timescale those of volatility read daily bars: what they are asked is H days ahead, and
the last days say more about them than the same days summed up to a week or a month.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import polars as pl

from mlxts import dataset as datasets
from mlxts.dataset import Dataset
from mlxts.evaluation import cross_validation
from mlxts.evaluation.linear import FittedLinear, Linear
from mlxts.losses import prior_logit
from mlxts.model import har
from mlxts.protocol import BASELINE, REFERENCES
from mlxts.runs import predictions
from mlxts.runs.references import Reference

TERCILES = 3

Fitted = cross_validation.Forecast


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
        measure = har.volatility(dataset.daily)
        measure = har.log_scale(measure, har.floor(measure[train.daily_rows]))[:, 0]
        edges = np.quantile(measure[train.daily_rows], np.arange(1, TERCILES) / TERCILES)
        tercile = np.searchsorted(edges, measure)
        logits = np.full(TERCILES, prior_logit(train.targets))
        for index in np.unique(tercile[train.daily_rows]):
            logits[index] = prior_logit(train.targets[tercile[train.daily_rows] == index])
        return lambda samples: logits[tercile[samples.daily_rows]]


@dataclass(frozen=True)
class ScaleRegression:
    """Logistic (for regression: linear) regression on the logs of causal measures of scale."""

    name: str  # key of `har.MEASURES`

    def fit(self, dataset: Dataset) -> Fitted:
        said = har.fit(dataset, self.name)(dataset.daily)
        return lambda samples: said[samples.daily_rows]


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        baseline.name: baseline
        for baseline in (
            Climatology(),
            ScaleRegression("volatility"),
            ScaleRegression(BASELINE),
            Linear(),
        )
    }
)


@dataclass(frozen=True)
class Beside:
    """Baselines' tables of predictions by name, as in `runs/predictions.py`, and the reference."""

    tables: dict[str, pl.DataFrame]
    reference: Reference


def beside(
    dataset: Dataset,
    splits: Iterable[str],
    names: Iterable[str] = BASELINES,
    known: Mapping[str, Baseline] = BASELINES,
    *,
    symbol: str | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> Beside:
    """Fit on the training split and speak about the samples of `splits`.

    Those of `BASELINES` are fitted on the training samples of `symbol` and speak about that symbol
    alone; where it has too few they are left out. The others are pooled, as a network is.

    Args:
        names: which, keys of `known`; without both references none is chosen.
        symbol: whose own they are; None: of the scored one.
        progress: told the name of each before it is fitted.
    """
    own = datasets.of_symbol(dataset, symbol or dataset.score_on)
    obstacle, splits = har.obstacle(own), tuple(splits)
    tables: dict[str, pl.DataFrame] = {}
    losses: dict[str, float] = {}
    for name in names:
        if name in BASELINES and obstacle:
            continue
        progress(name)
        data = own if name in BASELINES else dataset
        forecast = known[name].fit(data)
        tables[name] = pl.concat(
            predictions.table(name, samples, split, forecast(samples))
            for split, samples in ((split, data.samples[split]) for split in splits)
        )
        if name in REFERENCES:
            loss = _validated(known[name], forecast, data)
            if loss is None:
                obstacle = f"the training years of {own.score_on} hold one class for too long"
            else:
                losses[name] = loss
    return Beside(tables, _chosen(losses, obstacle))


def base_rate(dataset: Dataset, splits: Iterable[str], symbol: str) -> pl.DataFrame:
    """The predictions of the constant training base rate, for regression of the training mean.

    It is that of the symbol's own training samples; of all where it was never trained on.
    """
    own = datasets.of_symbol(dataset, symbol)
    train = own.samples["train"] if len(own.samples["train"]) else dataset.samples["train"]
    regression = dataset.task.kind == "regression"
    constant = train.targets.mean(dtype=np.float64) if regression else prior_logit(train.targets)
    return pl.concat(
        predictions.table(
            predictions.BASE_RATE, samples, split, np.full(len(samples), float(constant))
        )
        for split, samples in ((split, own.samples[split]) for split in splits)
    )


def _validated(baseline: Baseline, forecast: Fitted, data: Dataset) -> float | None:
    if isinstance(forecast, FittedLinear):  # it knows: it chose its penalty so
        return forecast.loss
    return cross_validation.loss(baseline.fit, data)


def _chosen(losses: Mapping[str, float], obstacle: str | None) -> Reference:
    if obstacle or set(losses) != set(REFERENCES):
        return Reference(None, losses, obstacle)
    # Of equals the simpler, which is named first.
    return Reference(min(REFERENCES, key=lambda name: losses[name]), losses)
