"""A fresh network for a data set, whose first forecast is the base rate (or what it builds on)."""

import math

import numpy as np
from jaxtyping import Float, Float32, Integer

from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.samples import Dataset
from mlxts.model.patchtst import PatchTST, Shape
from mlxts.model.residual import OffsetPatchTST

_COLUMNS_AT_ONCE = 64  # of the feature array, whose training rows are copied


def build_model(configuration: ExperimentConfig, shape: Shape, data: Dataset) -> PatchTST:
    """A model with initial weights: its first forecast is the base rate, mean return or offset."""
    seed = configuration.training_seed
    train = data.learned("train")
    levels = shape.statistics_to_head or shape.last_bar
    statistics = feature_statistics(data.features, train.rows) if levels else None
    if configuration.model.residual_of:
        return OffsetPatchTST(shape, seed=seed, statistics=statistics)
    bias = base_rate_logit(train.targets) if data.task.binary else 0.0
    return PatchTST(shape, seed=seed, bias=bias, statistics=statistics)


def base_rate_logit(targets: Float[np.ndarray, " n"]) -> float:
    """The logit of the base rate of training targets.

    One positive and one negative are added (Laplace): it stays finite where a class is missing.
    """
    rate = (float(targets.sum()) + 1) / (len(targets) + 2)
    return math.log(rate / (1 - rate))


def feature_statistics(
    features: Float32[np.ndarray, "N F"], rows: Integer[np.ndarray, " n"]
) -> Float32[np.ndarray, "2 F"]:
    """Mean and standard deviation of each feature over the training rows."""
    statistics = np.empty((2, features.shape[1]), dtype=np.float32)
    for first in range(0, features.shape[1], _COLUMNS_AT_ONCE):
        columns = slice(first, first + _COLUMNS_AT_ONCE)
        values = features[rows, columns]
        statistics[:, columns] = values.mean(axis=0), values.std(axis=0)
    return statistics
