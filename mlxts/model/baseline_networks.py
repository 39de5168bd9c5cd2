"""Two networks without attention on the same windows: what a transformer should be better than.

Shapes: B batch, T time (bars), F features, H hidden units.

Both see windows in training deviations (no RevIN: a linear model could not use what it removes).
"""

from typing import NamedTuple

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from jaxtyping import Float32, UInt32

from mlxts.model.interfaces import Network
from mlxts.model.layers import Dense, dropout, require_rate, require_statistics

_KERNEL = 25  # bars of the moving average, as in Zeng et al.
_HIDDEN = 64
_CONSTANT = 1e-6


class WindowShape(NamedTuple):
    """The shape of a baseline network."""

    context: int  # T
    features: int  # F


class BaselineNetwork(Network):
    """What the two share.

    Args:
        shape: of a window.
        statistics: (2, F) mean and deviation of the features on the training rows.
        seed: of the initial weights.
        bias: the first prediction, e.g. the base rate's logit.
        rate: of dropout, where there is any.

    Raises:
        ShapeError: a rate that is none, statistics of another shape.
    """

    def __init__(
        self, shape: WindowShape, statistics: np.ndarray, *, seed: int, bias: float, rate: float
    ):
        super().__init__()
        require_rate("rate", rate)
        require_statistics(statistics, shape.features)
        self._shape, self._rate = shape, rate
        self._center = mx.array(statistics[0].astype(np.float32))
        # A feature that stood still in training is not blown up once it moves.
        spread = np.where(statistics[1] > _CONSTANT, statistics[1], 1.0)
        self._spread = mx.array(spread.astype(np.float32))
        self._build(np.random.default_rng(seed))
        self.head.bias = mx.array([bias], dtype=mx.float32)

    @property
    def shape(self) -> WindowShape:
        return self._shape

    @property
    def columns(self) -> int:
        return self._shape.features

    def _build(self, rng: np.random.Generator) -> None:
        raise NotImplementedError

    def _inputs(self, x: Float32[mx.array, "B T F"]) -> Float32[mx.array, "B T F"]:
        return (x - self._center) / self._spread


class MLP(BaselineNetwork):
    """The flattened window through one hidden layer of 64 units."""

    def _build(self, rng: np.random.Generator) -> None:
        inputs = self._shape.context * self._shape.features
        self.hidden = Dense(inputs, _HIDDEN, rng)
        self.head = Dense(_HIDDEN, 1, rng, gain=_HIDDEN**-0.5)

    def forward(
        self,
        x: Float32[mx.array, "B T F"],
        keys: UInt32[mx.array, "B 2"] | None = None,
        *,
        checkpointing: bool = False,
    ) -> Float32[mx.array, " B"]:
        """See `Network.forward`."""
        flat = self._inputs(x).reshape(x.shape[0], -1)
        hidden = dropout(nn.gelu(self.hidden(flat)), self._rate, keys)
        return self.head(hidden).squeeze(-1)


class DLinear(BaselineNetwork):
    """Trend and remainder, each through a linear map of its own (Zeng et al., AAAI 2023).

    The trend is a moving average over 25 bars with the window's ends repeated, as in the paper;
    every feature has maps of its own (their DLinear-I), and a label is one number, so that the
    maps of all features add up to it. It starts at the base rate.
    """

    def _build(self, rng: np.random.Generator) -> None:
        inputs = 2 * self._shape.context * self._shape.features
        self.head = Dense(inputs, 1, rng, gain=inputs**-0.5)
        self._average = mx.array(moving_average(self._shape.context))

    def forward(
        self,
        x: Float32[mx.array, "B T F"],
        keys: UInt32[mx.array, "B 2"] | None = None,
        *,
        checkpointing: bool = False,
    ) -> Float32[mx.array, " B"]:
        """See `Network.forward`."""
        x = self._inputs(x)
        trend = self._average @ x
        parts = mx.stack([trend, x - trend], axis=1)
        return self.head(parts.reshape(x.shape[0], -1)).squeeze(-1)


def moving_average(context: int) -> Float32[np.ndarray, "{context} {context}"]:
    """Row t averages the 25 bars around bar t, where the ends repeat.

    The window lies in the past as a whole, so that an average around a bar reads no future.
    """
    matrix = np.zeros((context, context), dtype=np.float32)
    around = np.arange(-(_KERNEL // 2), _KERNEL // 2 + 1)
    for bar in range(context):
        np.add.at(matrix[bar], np.clip(bar + around, 0, context - 1), 1.0 / _KERNEL)
    return matrix
