"""Reversible instance normalisation (Kim et al., ICLR 2022), the forward half.

The targets here are labels and returns, not the input series, so nothing is denormalised: RevIN
centres and scales each channel of each window by that window's own statistics.
"""

from typing import NamedTuple

import mlx.core as mx
import mlx.nn as nn
from jaxtyping import Float

EPSILON = 1e-5  # inside the square root, as in the reference implementation


class Normalised(NamedTuple):
    x: Float[mx.array, "B T F"]
    location: Float[mx.array, "B F"]
    scale: Float[mx.array, "B F"]  # positive


class RevIN(nn.Module):
    """Normalise windows over time.

    Args:
        channels: F.
        affine: learn a scale and a shift per channel.
        subtract_last: centre on the last bar instead of the mean.
    """

    def __init__(self, channels: int, *, affine: bool = False, subtract_last: bool = False):
        super().__init__()
        self._subtract_last = subtract_last
        self._affine = affine
        if affine:
            self.weight = mx.ones((channels,))
            self.bias = mx.zeros((channels,))

    def __call__(self, x: Float[mx.array, "B T F"]) -> Normalised:
        """The normalised windows and the statistics that were removed.

        Statistics take no gradient. The deviation is the biased one, around the mean even when
        the window is centred on its last bar.
        """
        mean = mx.mean(x, axis=1, keepdims=True)
        scale = mx.sqrt(mx.mean(mx.square(x - mean), axis=1, keepdims=True) + EPSILON)
        location = x[:, -1:, :] if self._subtract_last else mean
        location, scale = mx.stop_gradient(location), mx.stop_gradient(scale)
        normalised = (x - location) / scale
        if self._affine:
            normalised = normalised * self.weight + self.bias
        return Normalised(normalised, location.squeeze(1), scale.squeeze(1))
