"""The baselines' forecasts of the same samples, and which of them a model is compared with.

Those of `BASELINES` stand beside every score, each fitted on the scored asset's own training days,
so that they are the same whatever else a network was trained on. HAR and linear are the references:
the better of the two, by cross-validation within training, is the one that a model has to beat.

At every timescale those of volatility read daily bars: what they are asked is H days ahead, and
the last days say more about them than the same days summed up to a week or a month.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from mlxts.baselines import cross_validation, har
from mlxts.baselines.base import Baseline, Forecast
from mlxts.baselines.linear import FittedLinear
from mlxts.baselines.registry import BASELINES
from mlxts.dataset.samples import Dataset, of_symbol
from mlxts.protocol import REFERENCES
from mlxts.runs import predictions
from mlxts.runs.references import Reference


@dataclass(frozen=True)
class Beside:
    """Baselines' tables of predictions by name, as in `runs/predictions.py`, and the reference."""

    tables: dict[str, pl.DataFrame]
    reference: Reference


def fit_baselines(
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
        progress: called with the name of each before it is fitted.
    """
    own = of_symbol(dataset, symbol or dataset.score_on)
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


def _validated(baseline: Baseline, forecast: Forecast, data: Dataset) -> float | None:
    if isinstance(forecast, FittedLinear):  # it knows: it chose its penalty so
        return forecast.loss
    return cross_validation.loss(baseline.fit, data)


def _chosen(losses: Mapping[str, float], obstacle: str | None) -> Reference:
    if obstacle or set(losses) != set(REFERENCES):
        return Reference(None, losses, obstacle)
    # Of equals the simpler, which is named first.
    return Reference(min(REFERENCES, key=lambda name: losses[name]), losses)
