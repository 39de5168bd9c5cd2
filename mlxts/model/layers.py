"""Dense, LayerNorm and dropout, laid out for the way MLX computes them.

Initial values are drawn with NumPy on the host: MLX's normal deviates differ between Apple GPU
generations, and a seed should mean the same model on every chip.
"""

import math

import mlx.core as mx
import mlx.nn as nn
import numpy as np


class Dense(nn.Module):
    """y = x W + b with W stored (in, out).

    MLX's own Linear stores (out, in); its gradient is then a transposed view, and the optimizer
    takes a strided path that is up to twice as slow. `gain` scales the normal initial weights,
    whose deviation is gain / sqrt(in) (fan-in scaling, as muP wants for hidden layers).
    """

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator, gain: float = 1.0):
        super().__init__()
        deviation = gain / math.sqrt(inputs)
        drawn = rng.standard_normal((inputs, outputs), dtype=np.float32)
        self.weight = mx.array(drawn * np.float32(deviation))
        self.bias = mx.zeros((outputs,))

    def __call__(self, x: mx.array) -> mx.array:
        """(..., in) -> (..., out)."""
        return mx.addmm(self.bias, x, self.weight)


class LayerNorm(nn.Module):
    """Layer normalisation over the last axis (Ba et al. 2016), eps 1e-5 as in PyTorch."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = mx.ones((width,))
        self.bias = mx.zeros((width,))

    def __call__(self, x: mx.array) -> mx.array:
        return mx.fast.layer_norm(x, self.weight, self.bias, 1e-5)


def dropout(x: mx.array, rate: float, key: mx.array | None) -> mx.array:
    """Inverted dropout: zero each element with probability `rate`, scale the rest by 1/(1-rate).

    `key` is explicit, so a recomputed forward pass (gradient checkpointing) draws the same mask,
    and no generator state has to be saved. None means evaluation: x unchanged. At rate 1/2 one
    random bit an element is enough, and the generator is asked for 32 times fewer words.
    """
    if key is None or rate == 0.0:
        return x
    if rate == 0.5:
        return x * (_random_bits(x.size, key).reshape(x.shape).astype(x.dtype) * 2)
    keep = mx.random.bernoulli(1.0 - rate, x.shape, key=key)
    return x * keep.astype(x.dtype) * (1.0 / (1.0 - rate))


def _random_bits(count: int, key: mx.array) -> mx.array:
    """(count,) of 0 and 1, uint32, from the raw words that splitting a key yields (two each)."""
    words = mx.random.split(key, -(-count // 64)).reshape(-1, 1)
    bits = (words >> mx.arange(32, dtype=mx.uint32)) & 1
    return bits.reshape(-1)[:count]
