"""The forecast under a network (`model.offset`): fitted before its first step, kept in its run.

Each asset stands on a regression of its own, the same in every row of the dataset matrix. What
runs of before wrote down was one regression over all assets; they go on standing on that one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from mlxts import json_files
from mlxts.baselines import har
from mlxts.baselines.har import ScaleModel
from mlxts.dataset.samples import Dataset, of_symbol
from mlxts.errors import CheckpointError, DataError
from mlxts.files import write_json
from mlxts.model import residual
from mlxts.training.distributed import Ranks

FILE_NAME = "offset.json"
_EVERY = "*"  # in place of a symbol: one regression for all of them


@dataclass(frozen=True)
class Offset:
    """A fitted regression for each symbol."""

    models: Mapping[str, ScaleModel]

    def __call__(self, data: Dataset) -> np.ndarray:
        """(days,) of the daily bars of a data set: a logit, or a log return.

        Raises:
            DataError: a symbol that none was fitted for.
        """
        symbols = data.daily["symbol"].to_numpy()
        said = np.empty(len(symbols))
        for symbol in np.unique(symbols):
            model = self.models.get(str(symbol), self.models.get(_EVERY))
            if model is None:
                raise DataError(
                    f"no offset was fitted for {symbol}; train on data that hold its training days"
                )
            own = symbols == symbol
            said[own] = model(data.daily.filter(own))
        return said

    def record(self) -> dict[str, Any]:
        return {symbol: model.record() for symbol, model in self.models.items()}

    @classmethod
    def of(cls, record: dict[str, Any]) -> Self:
        """From what `record` returned, or JSON made of it."""
        return cls({symbol: ScaleModel.of(one) for symbol, one in record.items()})


def fit(data: Dataset, measure: str) -> Offset:
    """On the training samples of each asset.

    Raises:
        DataError: an asset that has too few.
    """
    models = {}
    for symbol in np.unique(data.daily["symbol"].to_numpy()):
        own = of_symbol(data, str(symbol))
        if obstacle := har.obstacle(own):
            raise DataError(
                f"model.offset: {measure} is not estimable: {obstacle}; leave {symbol} out of the "
                "data, give it more training days, or leave model.offset out"
            )
        models[str(symbol)] = har.fit(own, measure)
    return Offset(models)


def fitted(folder: Path, measure: str | None, data: Dataset, ranks: Ranks) -> Offset | None:
    """Fit on the training samples and write it to the run's folder; read it where it is there.

    Args:
        measure: `model.offset` of the configuration, a key of `har.MEASURES`; None: no offset.

    Raises:
        DataError: see `fit`.
    """
    if measure is None:
        return None
    record: dict[str, Any] = {}
    if ranks.leads:
        if not (folder / FILE_NAME).exists():
            write_json(folder / FILE_NAME, fit(data, measure).record())
        record = _read(folder).record()
    return Offset.of(ranks.record_from_leader(record))


def known(folder: Path, measure: str | None) -> Offset | None:
    """What a run's folder says. Raises CheckpointError where it should say something and cannot."""
    return None if measure is None else _read(folder)


def inputs(data: Dataset, beneath: Offset | None, center: float, deviation: float) -> np.ndarray:
    """What windows are cut from: the features, and the offset as one more column behind them.

    Args:
        center, deviation: of the targets, as in `step.TargetScale`: the unit of the loss.
    """
    if beneath is None:
        return data.features
    return residual.beside(data, (beneath(data) - center) / deviation)


def _read(folder: Path) -> Offset:
    path, way_out = folder / FILE_NAME, "restore it from a backup, or train the run again"
    kept = json_files.read(path, json_files.Shape, error=CheckpointError, way_out=way_out)
    return Offset(
        {
            symbol: json_files.build(
                one, ScaleModel, where=str(path), error=CheckpointError, way_out=way_out
            )
            for symbol, one in _by_symbol(kept).items()
        }
    )


def _by_symbol(record: dict[str, Any]) -> dict[str, Any]:
    return {_EVERY: record} if "measure" in record else record
