"""Data that end with the validation split: what a search may look at.

A search compares hundreds of models; had it the test split within reach, one slip would spend it.
So its data hold no bar, no feature and no label after the last day of validation.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlxts import protocol
from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset, Samples
from mlxts.files import canonical_hash, home


@dataclass(frozen=True)
class Blind:
    """A data set without a test split. Make it with `blind`, never around a whole data set."""

    dataset: Dataset  # samples: train and validation; bars, daily and features end with them


def blind(data: Dataset) -> Blind:
    """Cut everything after validation off. What remains, its order and its hash are unchanged."""
    last = protocol.SPLITS[data.splits_name].validation[1]
    bars, daily = (frame["date"] <= last for frame in (data.bars, data.daily))
    keep = bars.to_numpy()
    bar_at, day_at = (np.cumsum(kept.to_numpy()) - 1 for kept in (bars, daily))

    def moved(samples: Samples) -> Samples:
        return replace(
            samples,
            rows=bar_at[samples.rows].astype(np.int32),
            daily_rows=day_at[samples.daily_rows].astype(np.int32),
        )

    return Blind(
        replace(
            data,
            features=np.ascontiguousarray(data.features[keep]),
            bars=data.bars.filter(bars),
            daily=data.daily.filter(daily),
            eligible=data.eligible[keep],
            samples={name: moved(data.samples[name]) for name in ("train", "validation")},
        )
    )


def load(configuration: ExperimentConfig) -> Blind:
    """The data of a configuration; the last ones are kept for trials that read the same.

    Raises:
        DataError, IntegrityError, EmptySplitError: see `build_dataset`.
    """
    values = configuration.model_dump(mode="json", exclude={"name", "training", "thermal"})
    values["model"] = configuration.model.context
    key = (home().resolve(), canonical_hash(values))
    if key not in _kept:
        _kept.clear()
        _kept[key] = blind(build_dataset(configuration))
    return _kept[key]


_kept: dict[tuple[Path, str], Blind] = {}
