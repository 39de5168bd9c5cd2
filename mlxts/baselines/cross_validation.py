"""Cross-validation within the training samples: blocks of time, each scored from before it.

A fold is trained on all samples whose labels end before a block begins, so that no label day is
both learned from and scored (the purge). What comes after a block teaches nothing about it (rolling
origin, Tashman 2000): markets drift, and what is chosen here has to serve the years that follow.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Integer

from mlxts.baselines.base import Forecast
from mlxts.dataset.samples import Dataset, Samples, with_train
from mlxts.losses import sample_losses

FOLDS = 4

# Indices of the training samples: learned from, scored.
Fold = tuple[Integer[np.ndarray, " n"], Integer[np.ndarray, " m"]]


def folds(samples: Samples, count: int = FOLDS) -> list[Fold]:
    """The samples in `count` + 1 blocks of time of about equal size; all but the first are scored.

    Returns:
        Folds that hold something to learn from and something to score.
    """
    shares = np.arange(1, count + 1) / (count + 1)
    borders = np.quantile(samples.dates.astype(np.int64), shares).astype("datetime64[D]")
    ends = [*borders[1:], samples.dates.max() + 1]
    all_folds = [
        (
            np.flatnonzero(samples.label_end < begin),
            np.flatnonzero((samples.dates >= begin) & (samples.dates < end)),
        )
        for begin, end in zip(borders, ends, strict=True)
    ]
    return [(learned, scored) for learned, scored in all_folds if len(learned) and len(scored)]


def teaching(data: Dataset) -> list[Fold]:
    """`folds` of the training samples that can be learned from: both classes, unequal returns."""
    train = data.samples["train"]
    return [
        (learned, scored)
        for learned, scored in folds(train)
        if train.targets[learned].min() < train.targets[learned].max()
    ]


def loss(fit: Callable[[Dataset], Forecast], data: Dataset) -> float | None:
    """Mean loss over the scored blocks: nats, for regression the squared error.

    Args:
        fit: a forecast from the training samples of a data set.

    Returns:
        None where no fold can be learned from.
    """
    train, fold_losses = data.samples["train"], []
    for learned, scored in teaching(data):
        forecast = fit(with_train(data, learned))
        logits = forecast(with_train(data, scored).samples["train"])
        fold_losses.append(sample_losses(logits, train.targets[scored], data.task))
    return float(np.concatenate(fold_losses).mean()) if fold_losses else None
