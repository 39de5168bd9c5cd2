"""What a baseline is.

A baseline is fitted on the training samples of a data set and then forecasts any of its samples.
It is never shown the targets of another split.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from jaxtyping import Float

from mlxts.dataset.samples import Dataset, Samples

# Of each sample: a logit, or a number in the unit of the task.
Forecast = Callable[[Samples], Float[np.ndarray, " n"]]


class Baseline(Protocol):
    """A forecaster that is no PatchTST."""

    @property
    def name(self) -> str: ...

    def fit(self, dataset: Dataset) -> Forecast:
        """Learn from the training samples.

        Returns:
            A forecast of any samples of the data set, which reads nothing later than the decision
            bar of each.
        """
        ...
