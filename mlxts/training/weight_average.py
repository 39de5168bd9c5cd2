"""An exponential moving average of the weights, scored and kept in their place.

The last weights of stochastic gradient descent move about the point that they have come to; the
mean of many lies nearer to it (Polyak and Juditsky 1992). In the first steps the average forgets
faster, by (1 + t) / (10 + t) after t updates, so that initial weights do not stay in it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
from jaxtyping import Float32
from mlx.utils import tree_map

from mlxts.model.interfaces import Network


class WeightAverage:
    """average ← d average + (1 − d) weights, after each update.

    Args:
        model: whose weights it begins with.
        decay: d, `training.ema_decay`; in [0, 1).
    """

    def __init__(self, model: Network, decay: float) -> None:
        self.weights: Any = model.parameters()
        self._decay = decay

        @mx.compile
        def updated(average: Any, weights: Any, decay: Float32[mx.array, ""]) -> Any:
            return tree_map(lambda a, w: decay * a + (1.0 - decay) * w, average, weights)

        self._updated = updated

    def update(self, model: Network, updates: int) -> None:
        """Take in a model's weights after so many updates; still to be computed."""
        decay = min(self._decay, (1 + updates) / (10 + updates))
        self.weights = self._updated(self.weights, model.parameters(), mx.array(decay))

    @contextmanager
    def in_place(self, model: Network) -> Generator[None]:
        """Put the average in the place of a model's weights, which are put back at the end."""
        weights = model.parameters()
        model.update(self.weights)
        try:
            yield
        finally:
            model.update(weights)
