"""The offset of a residual network (`model.residual_of`): fitted before its first step, stored.

Each asset has a regression of its own, the same in every row of the dataset matrix. Runs of before
stored one regression over all assets, and keep it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Float32, Float64

from mlxts import json_files
from mlxts.baselines import har
from mlxts.baselines.har import ScaleModel
from mlxts.dataset.samples import Dataset, of_symbol
from mlxts.errors import CheckpointError, DataError
from mlxts.files import write_json
from mlxts.model import residual
from mlxts.runs import layout
from mlxts.training.distributed import Ranks
from mlxts.training.losses import TargetScale

_ALL_SYMBOLS = "*"  # in place of a symbol: one regression for all of them


@dataclass(frozen=True)
class Offset:
    """A fitted regression for each symbol."""

    models: Mapping[str, ScaleModel]

    def __call__(self, data: Dataset) -> Float64[np.ndarray, " {data.daily.height}"]:
        """Of each daily bar of a data set: a logit, or a log return.

        Raises:
            DataError: a symbol that none was fitted for.
        """
        symbols = data.daily["symbol"].to_numpy()
        forecasts = np.empty(len(symbols))
        for symbol in np.unique(symbols):
            model = self.models.get(str(symbol), self.models.get(_ALL_SYMBOLS))
            if model is None:
                raise DataError(
                    f"no offset was fitted for {symbol}; train on data that hold its training days"
                )
            rows = symbols == symbol
            forecasts[rows] = model(data.daily.filter(rows))
        return forecasts

    def to_dict(self) -> dict[str, Any]:
        return {symbol: model.to_dict() for symbol, model in self.models.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """From what `to_dict` returned, or JSON made of it."""
        return cls({symbol: ScaleModel.from_dict(model) for symbol, model in values.items()})


def fit(data: Dataset, measure: str) -> Offset:
    """On the training samples of each asset.

    Raises:
        DataError: an asset that has too few.
    """
    models = {}
    for symbol in np.unique(data.daily["symbol"].to_numpy()):
        data_of_symbol = of_symbol(data, str(symbol))
        if obstacle := har.obstacle(data_of_symbol):
            raise DataError(
                f"model.residual_of: {measure} is not estimable: {obstacle}; leave {symbol} out of "
                "the data, give it more training days, or leave model.residual_of out"
            )
        models[str(symbol)] = har.fit(data_of_symbol, measure)
    return Offset(models)


def load_or_fit(folder: Path, measure: str | None, data: Dataset, ranks: Ranks) -> Offset | None:
    """Fit on the training samples and write it to the run's folder; read it where it is there.

    Args:
        measure: `model.residual_of` of the configuration, a key of `har.MEASURES`; None: no offset.

    Raises:
        DataError: see `fit`.
    """
    if measure is None:
        return None
    fitted: dict[str, Any] = {}
    if ranks.is_rank_zero:
        if not (folder / layout.OFFSET).exists():
            write_json(folder / layout.OFFSET, fit(data, measure).to_dict())
        fitted = _read(folder).to_dict()
    return Offset.from_dict(ranks.broadcast(fitted))


def load(folder: Path, measure: str | None) -> Offset | None:
    """The one in a run's folder, if it has one. Raises CheckpointError where it cannot be read."""
    return None if measure is None else _read(folder)


def inputs(
    data: Dataset, offset: Offset | None, scale: TargetScale
) -> Float32[np.ndarray, "rows C"]:
    """The F features, and the offset, if any, in units of the loss, as a last column."""
    if offset is None:
        return data.features
    return residual.append_offset(data, scale.scaled(offset(data)))


def _read(folder: Path) -> Offset:
    path, remedy = folder / layout.OFFSET, "restore it from a backup, or train the run again"
    values = json_files.read(path, json_files.Shape, error=CheckpointError, remedy=remedy)
    return Offset(
        {
            symbol: json_files.build(
                model, ScaleModel, where=str(path), error=CheckpointError, remedy=remedy
            )
            for symbol, model in _by_symbol(values).items()
        }
    )


def _by_symbol(values: dict[str, Any]) -> dict[str, Any]:
    return {_ALL_SYMBOLS: values} if "measure" in values else values
