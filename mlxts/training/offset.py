"""The forecast under a network (`model.offset`): fitted before its first step, kept in its run."""

from pathlib import Path
from typing import Any

import numpy as np

from mlxts import json_files
from mlxts.dataset import Dataset
from mlxts.errors import CheckpointError
from mlxts.files import write_json
from mlxts.model import offset, scale
from mlxts.model.scale import ScaleModel
from mlxts.training.ranks import Ranks

FILE_NAME = "offset.json"


def fitted(folder: Path, measure: str | None, data: Dataset, ranks: Ranks) -> ScaleModel | None:
    """Fit on the training samples and write it to the run's folder; read it where it is there.

    Args:
        measure: `model.offset` of the configuration, a key of `scale.MEASURES`; None: no offset.
    """
    if measure is None:
        return None
    record: dict[str, Any] = {}
    if ranks.leads:
        if not (folder / FILE_NAME).exists():
            write_json(folder / FILE_NAME, scale.fit(data, measure).record())
        record = _read(folder).record()
    return ScaleModel.of(ranks.record_from_leader(record))


def known(folder: Path, measure: str | None) -> ScaleModel | None:
    """What a run's folder says. Raises CheckpointError where it should say something and cannot."""
    return None if measure is None else _read(folder)


def inputs(
    data: Dataset, beneath: ScaleModel | None, center: float, deviation: float
) -> np.ndarray:
    """What windows are cut from: the features, and the offset as one more column behind them.

    Args:
        center, deviation: of the targets, as in `step.TargetScale`: the unit of the loss.
    """
    if beneath is None:
        return data.features
    return offset.beside(data, (beneath(data.daily) - center) / deviation)


def _read(folder: Path) -> ScaleModel:
    way_out = "restore it from a backup, or train the run again"
    return json_files.load(folder / FILE_NAME, ScaleModel, error=CheckpointError, way_out=way_out)
