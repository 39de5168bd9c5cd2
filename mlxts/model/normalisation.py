"""Batch normalisation, the published model's choice; ours is layer normalisation.

PatchTST normalises each of the D model dimensions over the batch's tokens (Nie et al., ICLR 2023,
after Zerveas et al., KDD 2021). In evaluation it is an affine map whose statistics training left.
"""

from typing import Literal

import mlx.core as mx
import mlx.nn as nn
from jaxtyping import Float

from mlxts.model.layers import LayerNorm

Norm = Literal["layer", "batch"]
EPSILON = 1e-5
_MOMENTUM = 0.1  # of a batch in the running statistics, as in PyTorch


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) of (S, P, D) over S and P, as in PyTorch.

    In training it uses the batch's own statistics and moves the running ones by a tenth towards
    them (their variance unbiased); in evaluation it uses the running ones. So a sample sees its
    neighbours in the micro-batch, the only part of the model where it does.
    """

    def __init__(self, dims: int, epsilon: float = EPSILON):
        super().__init__()
        self._epsilon = epsilon
        self.weight = mx.ones((dims,))
        self.bias = mx.zeros((dims,))
        self.running_mean = mx.zeros((dims,))
        self.running_var = mx.ones((dims,))
        self.freeze(keys=["running_mean", "running_var"], recurse=False)

    def __call__(
        self, x: Float[mx.array, "S P D"], *, training: bool = False
    ) -> Float[mx.array, "S P D"]:
        """In the precision of `x`; statistics are taken in float32."""
        kind, x = x.dtype, x.astype(mx.float32)
        mean, variance = self.running_mean, self.running_var
        if training:
            count = x.size // x.shape[-1]
            mean = mx.mean(x, axis=(0, 1))
            variance = mx.mean(mx.square(x - mean), axis=(0, 1))
            self._move(mean, variance * (count / max(count - 1, 1)))
        scaled = (x - mean) * mx.rsqrt(variance + self._epsilon)
        return (scaled * self.weight + self.bias).astype(kind)

    def _move(self, mean: Float[mx.array, " D"], variance: Float[mx.array, " D"]) -> None:
        mean, variance = mx.stop_gradient(mean), mx.stop_gradient(variance)
        self.running_mean = (1 - _MOMENTUM) * self.running_mean + _MOMENTUM * mean
        self.running_var = (1 - _MOMENTUM) * self.running_var + _MOMENTUM * variance


def normalised(
    norm: LayerNorm | BatchNorm, x: Float[mx.array, "S P D"], *, training: bool
) -> Float[mx.array, "S P D"]:
    """By either kind."""
    return norm(x, training=training) if isinstance(norm, BatchNorm) else norm(x)


def make(kind: Norm, dims: int) -> LayerNorm | BatchNorm:
    return BatchNorm(dims) if kind == "batch" else LayerNorm(dims)
