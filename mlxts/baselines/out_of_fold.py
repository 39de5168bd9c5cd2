"""Out-of-fold forecasts of training samples: each block of time from a fit on all other blocks.

A regression flatters the rows that it was fitted on, the more the more coefficients it has; what
learns its residual there would learn that noise. So training rows get the forecast of a regression
that has not seen them (stacking, Wolpert 1992; cross-fitting, Chernozhukov and others 2018), and
later rows that of the fit on all training rows.

Blocks are contiguous, and a sample on either side whose label shares a day with a label of the
block is left out of its fit (the purge, López de Prado 2018, chapter 7).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float64, Integer, Shaped

from mlxts.baselines import har
from mlxts.dataset.samples import Dataset, Samples, with_train

BLOCKS = 5

Model = TypeVar("Model")


@dataclass(frozen=True)
class Block(Generic[Model]):
    """Decision days from `first` to `last` (ISO dates, both included), and their model."""

    first: str
    last: str
    model: Model


@dataclass(frozen=True)
class CrossFitted(Generic[Model]):
    """The model of all training samples, and one for each block of time that has not seen it."""

    whole: Model
    blocks: tuple[Block[Model], ...]

    def forecast(
        self,
        dates: Shaped[np.ndarray, " n"],
        predict: Callable[[Model, Integer[np.ndarray, " m"]], Float64[np.ndarray, " m"]],
    ) -> Float64[np.ndarray, " n"]:
        """Of decision days: within a block by its own model, elsewhere by that of all.

        Args:
            dates: datetime64[D].
            predict: what a model forecasts of some of the days, given by their indices.
        """
        forecasts, rest = np.empty(len(dates)), np.full(len(dates), True)
        for block in self.blocks:
            within = (dates >= np.datetime64(block.first)) & (dates <= np.datetime64(block.last))
            forecasts[within] = predict(block.model, np.flatnonzero(within))
            rest &= ~within
        forecasts[rest] = predict(self.whole, np.flatnonzero(rest))
        return forecasts


def fit(data: Dataset, regress: Callable[[Dataset], Model]) -> CrossFitted[Model]:
    """Fit on all training samples, and for each block of time on those of the others.

    Args:
        regress: a model of the training samples of a data set.
    """
    return CrossFitted(
        regress(data),
        tuple(
            Block(str(first), str(last), regress(with_train(data, learned)))
            for first, last, learned in blocks(data.samples["train"])
        ),
    )


def obstacle(data: Dataset) -> str | None:
    """Why no regression can be fitted on the training samples of one symbol, or None.

    Args:
        data: with the samples of that symbol alone, see `samples.of_symbol`.
    """
    if problem := har.obstacle(data):
        return problem
    for first, last, learned in blocks(data.samples["train"]):
        if problem := har.obstacle(with_train(data, learned)):
            return f"{problem} (without the block from {first} to {last})"
    return None


def blocks(
    samples: Samples, count: int = BLOCKS
) -> list[tuple[np.datetime64, np.datetime64, Integer[np.ndarray, " m"]]]:
    """Contiguous blocks of time with about as many samples each, which cover all of them.

    Returns:
        First and last decision day, both included, and the indices of the samples that may be
        learned from: their labels and those of the block share no day.
    """
    shares = np.arange(count) / count
    starts = np.unique(np.quantile(samples.dates.astype(np.int64), shares, method="higher"))
    firsts = starts.astype("datetime64[D]")
    lasts = [*(firsts[1:] - 1), samples.dates.max()]
    all_blocks = []
    for first, last in zip(firsts, lasts, strict=True):
        within = (samples.dates >= first) & (samples.dates <= last)
        label_end = samples.label_end[within].max()
        learned = (samples.label_end < first) | (samples.dates > label_end)
        all_blocks.append((first, last, np.flatnonzero(learned)))
    return all_blocks
