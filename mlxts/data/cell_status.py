"""What a cell of the dataset matrix needs, and what of it is registered."""

from dataclasses import dataclass

import polars as pl

from mlxts.config import dataset_matrix
from mlxts.config.data import DataConfig
from mlxts.data import exogenous_catalog, exogenous_releases, panel
from mlxts.data.artifacts import Artifact
from mlxts.data.sources import registry
from mlxts.errors import DataError
from mlxts.protocol import SPLITS


@dataclass(frozen=True)
class Requirement:
    """One thing that a cell reads.

    Attributes:
        id: symbol or series.
        bars: whether bars are needed, else values.
        source: where it would be fetched from.
        artifact: what training would read now; None: nothing is registered.
        coverage: of a series: on which share of the training days of the scored symbol a value was
            known; None where either is not registered.
    """

    id: str
    bars: bool
    source: str
    artifact: Artifact | None
    coverage: float | None = None


def of(cell: str) -> tuple[Requirement, ...]:
    """Bars first, then series, in the order of the cell. Raises ConfigError: no such cell."""
    contents = dataset_matrix.cell(cell)
    data = DataConfig(cell=cell)
    bars = (
        Requirement(s, True, registry.DEFAULT, _find_artifact(s, data, bars=True))
        for s in contents.symbols
    )
    return (*bars, *(_series(id_, data) for id_ in contents.exogenous))


def training_days(cell: str) -> pl.DataFrame | None:
    """Adjusted bars of the scored symbol until training ends; None: none are registered."""
    data = DataConfig(cell=cell)
    if _find_artifact(data.score_on, data, bars=True) is None:
        return None
    scored = DataConfig(symbols=(data.score_on,), score_on=data.score_on)
    days = panel.load(scored).frame.filter(pl.col("date") <= SPLITS[data.splits].train[1])
    return days.collect(engine="in-memory")


def _series(id_: str, data: DataConfig) -> Requirement:
    series, artifact = exogenous_catalog.get(id_), _find_artifact(id_, data, bars=False)
    days = training_days(data.cell) if artifact and data.cell else None
    share = None
    if artifact is not None and days is not None:
        released = exogenous_releases.releases(series, panel.values(artifact))
        share = exogenous_releases.coverage(days["date"], [released])[id_]
    return Requirement(id_, False, series.source, artifact, share)


def _find_artifact(name: str, data: DataConfig, *, bars: bool) -> Artifact | None:
    try:
        return panel.choose(name, data) if bars else panel.choose_series(name, data)
    except DataError:
        return None
