"""Data that end with the validation split: all that a search may see.

A search compares hundreds of models; had it the test split within reach, one slip would spend it.
So its data hold no bar, no feature and no label after the last day of validation.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlxts import split_borders
from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset, Samples
from mlxts.files import canonical_hash, home


@dataclass(frozen=True)
class TrainValidationData:
    """A data set without a test split; only `without_test_split` makes it."""

    dataset: Dataset  # samples: train and validation; bars, daily and features end with them


def without_test_split(data: Dataset) -> TrainValidationData:
    """Cut everything after validation off. What remains, its order and its hash are unchanged."""
    last = split_borders.borders(data.splits_name).validation[1]
    bars, daily = ((frame["date"] <= last).to_numpy() for frame in (data.bars, data.daily))
    new_row, new_day = (np.cumsum(mask, dtype=np.int32) - 1 for mask in (bars, daily))

    def renumbered(samples: Samples) -> Samples:
        return replace(samples, rows=new_row[samples.rows], daily_rows=new_day[samples.daily_rows])

    return TrainValidationData(
        replace(
            data,
            features=np.ascontiguousarray(data.features[bars]),
            bars=data.bars.filter(bars),
            daily=data.daily.filter(daily),
            eligible=data.eligible[bars],
            samples={name: renumbered(data.samples[name]) for name in ("train", "validation")},
        )
    )


def load(configuration: ExperimentConfig) -> TrainValidationData:
    """The data of a configuration; the last ones are cached for trials that read the same.

    Raises:
        DataError, IntegrityError, EmptySplitError: see `build_dataset`.
    """
    values = configuration.model_dump(mode="json", exclude={"name", "training", "thermal"})
    values["model"] = configuration.model.context
    key = (home().resolve(), canonical_hash(values))
    if key not in _last:
        _last.clear()
        _last[key] = without_test_split(build_dataset(configuration))
    return _last[key]


_last: dict[tuple[Path, str], TrainValidationData] = {}
