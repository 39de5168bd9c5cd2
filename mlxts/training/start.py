"""What training starts from: shape, weights, the scale of targets, and arrays."""

import math

import numpy as np

from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.samples import Dataset
from mlxts.model import parameter_budget
from mlxts.model.patchtst import PatchTST, Shape
from mlxts.model.residual import OffsetPatchTST
from mlxts.platform import device
from mlxts.training import offset
from mlxts.training.loop import Arrays
from mlxts.training.offset import Offset
from mlxts.training.step import TargetScale

_FEATURES_AT_A_TIME = 64


def solve_shape(configuration: ExperimentConfig, data: Dataset) -> Shape:
    """The shape that has the budget's parameters with the features of a data set.

    Raises:
        BudgetError: see `parameter_budget.solve`.
    """
    return parameter_budget.solve(configuration.budget, len(data.names), configuration.model)


def target_scale(data: Dataset) -> TargetScale:
    """(0, 1) for binary tasks; mean and deviation of the training targets for regression."""
    if data.task.kind != "regression":
        return TargetScale(0.0, 1.0)
    targets = data.samples["train"].targets.astype(np.float64)
    return TargetScale(float(targets.mean()), float(targets.std()) or 1.0)


def first_bias(data: Dataset) -> float:
    """The output that says the base rate, or the mean return, of whatever is asked."""
    if data.task.kind == "regression":
        return 0.0
    # One of each class more than was seen: the logit stays finite if one class is missing.
    positives, total = data.samples["train"].targets.sum(), len(data.samples["train"])
    rate = (float(positives) + 1) / (total + 2)
    return math.log(rate / (1 - rate))


def model(configuration: ExperimentConfig, shape: Shape, data: Dataset) -> PatchTST:
    """A fresh model whose first prediction is the base rate (or mean return), or the offset's."""
    seed = configuration.seed
    statistics = feature_statistics(data) if shape.statistics_to_head else None
    if configuration.model.offset:
        return OffsetPatchTST(shape, seed=seed, statistics=statistics)
    return PatchTST(shape, seed=seed, bias=first_bias(data), statistics=statistics)


def feature_statistics(data: Dataset) -> np.ndarray:
    """(2, F): mean and deviation of each feature over the training rows, a few at a time."""
    rows, count = data.samples["train"].rows, data.features.shape[1]
    found = np.empty((2, count), dtype=np.float32)
    for first in range(0, count, _FEATURES_AT_A_TIME):
        some = slice(first, first + _FEATURES_AT_A_TIME)
        values = data.features[rows, some]
        found[:, some] = values.mean(axis=0), values.std(axis=0)
    return found


def arrays(data: Dataset, beneath: Offset | None, scale: TargetScale) -> Arrays:
    """Features on the device, and the rows and targets of training and validation."""
    train, validation = data.samples["train"], data.samples["validation"]
    return Arrays(
        features=device.on_device(offset.inputs(data, beneath, *scale)),
        train_rows=train.rows,
        train_targets=(train.targets - scale.center) / scale.scale,
        validation_rows=validation.rows,
        validation_targets=(validation.targets - scale.center) / scale.scale,
        train_dates=train.dates,
    )
