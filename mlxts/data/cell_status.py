"""What a cell of the dataset matrix needs, and what of it is registered."""

from dataclasses import dataclass

from mlxts.config import dataset_matrix
from mlxts.config.data import DataConfig
from mlxts.data import exogenous_catalog, panel
from mlxts.data.artifacts import Artifact
from mlxts.data.sources import registry
from mlxts.errors import DataError


@dataclass(frozen=True)
class Requirement:
    """One thing that a cell reads.

    Attributes:
        id: symbol or series.
        bars: whether bars are needed, else values.
        source: where it would be fetched from.
        artifact: what training would read now; None: nothing is registered.
    """

    id: str
    bars: bool
    source: str
    artifact: Artifact | None


def of(cell: str) -> tuple[Requirement, ...]:
    """Bars first, then series, in the order of the cell. Raises ConfigError: no such cell."""
    contents = dataset_matrix.cell(cell)
    data = DataConfig(cell=cell)
    bars = (
        Requirement(s, True, registry.DEFAULT, _known(s, data, bars=True)) for s in contents.symbols
    )
    values = (
        Requirement(id_, False, exogenous_catalog.get(id_).source, _known(id_, data, bars=False))
        for id_ in contents.exogenous
    )
    return (*bars, *values)


def _known(name: str, data: DataConfig, *, bars: bool) -> Artifact | None:
    try:
        return panel.choose(name, data) if bars else panel.choose_series(name, data)
    except DataError:
        return None
