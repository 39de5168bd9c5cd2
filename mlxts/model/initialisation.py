"""A fresh network for a data set, whose first forecast is the base rate (or what it builds on)."""

import math

import numpy as np
from jaxtyping import Float32

from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.samples import Dataset
from mlxts.model.patchtst import PatchTST, Shape
from mlxts.model.residual import OffsetPatchTST

_COLUMNS_AT_ONCE = 64  # of the feature array, whose training rows are copied


def build_model(configuration: ExperimentConfig, shape: Shape, data: Dataset) -> PatchTST:
    """A model with initial weights: its first forecast is the base rate, mean return or offset."""
    seed = configuration.training_seed
    levels = shape.statistics_to_head or shape.last_bar
    statistics = feature_statistics(data) if levels else None
    if configuration.model.residual_of:
        return OffsetPatchTST(shape, seed=seed, statistics=statistics)
    return PatchTST(shape, seed=seed, bias=initial_bias(data), statistics=statistics)


def initial_bias(data: Dataset) -> float:
    """The logit of the training split's base rate; 0, the mean in target units, for regression.

    One positive and one negative are added (Laplace): it stays finite where a class is missing.
    """
    if not data.task.binary:
        return 0.0
    targets = data.learned("train").targets
    rate = (float(targets.sum()) + 1) / (len(targets) + 2)
    return math.log(rate / (1 - rate))


def feature_statistics(data: Dataset) -> Float32[np.ndarray, "2 F"]:
    """Mean and standard deviation of each feature over the training rows."""
    rows, count = data.learned("train").rows, data.features.shape[1]
    statistics = np.empty((2, count), dtype=np.float32)
    for first in range(0, count, _COLUMNS_AT_ONCE):
        columns = slice(first, first + _COLUMNS_AT_ONCE)
        values = data.features[rows, columns]
        statistics[:, columns] = values.mean(axis=0), values.std(axis=0)
    return statistics
