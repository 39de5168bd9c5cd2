"""The baselines' forecasts of the same samples, and which of them a model is compared with.

Those of `BASELINES` are reported with every score, each fitted on the asset's own training days, so
that they are the same whatever else a network was trained on; where these are too few, on those of
all assets (`baselines/history.py`), which is recorded. Those of `POOLED` are fitted on all, as a
network is. HAR and linear are the references: the better of the two, by cross-validation within
training, is the one that a model has to beat.

At every timescale those of volatility read daily bars: what they are asked is H days ahead, and
the last days are more informative about them than the same days summed up to a week or a month.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl

from mlxts.baselines import cross_validation, history
from mlxts.baselines.base import Baseline, Forecast
from mlxts.baselines.linear import FittedLinear
from mlxts.baselines.registry import BASELINES, STANDARD
from mlxts.dataset.samples import Dataset, of_symbol
from mlxts.protocol import REFERENCES
from mlxts.runs import predictions
from mlxts.runs.references import Reference


@dataclass(frozen=True)
class FittedBaselines:
    """Baselines' tables of predictions by name, as in `runs/predictions.py`, and each asset's
    reference by symbol."""

    tables: dict[str, pl.DataFrame]
    references: dict[str, Reference]


def fit_baselines(
    dataset: Dataset,
    splits: Iterable[str],
    names: Iterable[str] = STANDARD,
    available: Mapping[str, Baseline] = STANDARD,
    *,
    symbols: Iterable[str] | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> FittedBaselines:
    """Fit on the training split and forecast the samples of `splits`.

    Args:
        names: which, keys of `known`; without both references none is chosen.
        symbols: whose samples; None: those of the scored one and, if it was never trained on, of
            those that were, whose base rate is its prior. One that nothing can be fitted for is in
            no table of `BASELINES`.
        progress: called with the name of each baseline before it is fitted.
    """

    @cache
    def pooled(name: str) -> tuple[Forecast, float | None]:
        return fit(name, dataset)

    def fit(name: str, data: Dataset) -> tuple[Forecast, float | None]:
        progress(name)
        forecast = available[name].fit(data)
        return forecast, _validated(available[name], forecast, data) if name in REFERENCES else None

    names, splits = tuple(names), tuple(splits)
    parts: dict[str, list[pl.DataFrame]] = {name: [] for name in names}
    references = {}
    for symbol in _scored(dataset) if symbols is None else symbols:
        asset, losses = history.of(dataset, symbol), {}
        for name in names:
            if name in BASELINES and asset.unfitted:
                continue
            borrowed = name not in BASELINES or asset.pooled
            forecast, loss = pooled(name) if borrowed else fit(name, asset.training)
            samples = (of_symbol(dataset, symbol) if borrowed else asset.training).samples
            parts[name] += [
                predictions.table(name, samples[split], split, forecast(samples[split]))
                for split in splits
            ]
            if loss is not None:
                losses[name] = loss
        references[symbol] = _chosen(losses, asset)
    tables = {name: pl.concat(tables) for name, tables in parts.items() if tables}
    return FittedBaselines(tables, references)


def _scored(dataset: Dataset) -> list[str]:
    trained = np.unique(dataset.samples["train"].symbols).tolist()
    return [dataset.score_on] if dataset.score_on in trained else [dataset.score_on, *trained]


def _validated(baseline: Baseline, forecast: Forecast, data: Dataset) -> float | None:
    if isinstance(forecast, FittedLinear):  # it knows: it chose its penalty so
        return forecast.loss
    return cross_validation.loss(baseline.fit, data)


def _chosen(losses: Mapping[str, float], asset: history.History) -> Reference:
    obstacle = asset.unfitted or asset.unvalidated
    if obstacle or set(losses) != set(REFERENCES):
        return Reference(None, losses, obstacle)
    # Of equals the simpler, which is named first.
    best = min(REFERENCES, key=lambda name: losses[name])
    return Reference(best, losses, pooled=asset.pooled)
