"""The Transformer encoder: pre-norm, fused QKV, exact GELU.

Shapes: S sequences, P patches, D model width, H heads.
"""

import math

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlxts.model.layers import Dense, LayerNorm, dropout


class Attention(nn.Module):
    """Multi-head self-attention over patches, all pairs."""

    def __init__(self, width: int, heads: int, out_gain: float, rng: np.random.Generator):
        super().__init__()
        self._heads = heads
        self.qkv = Dense(width, 3 * width, rng)
        self.out = Dense(width, width, rng, gain=out_gain)

    def __call__(self, x: mx.array) -> mx.array:
        """(S, P, D) -> (S, P, D)."""
        S, P, D = x.shape
        qkv = self.qkv(x).reshape(S, P, 3, self._heads, D // self._heads).transpose(2, 0, 3, 1, 4)
        mixed = mx.fast.scaled_dot_product_attention(
            qkv[0], qkv[1], qkv[2], scale=1.0 / math.sqrt(D // self._heads)
        )
        return self.out(mixed.transpose(0, 2, 1, 3).reshape(S, P, D))


class EncoderLayer(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)).

    Dropout falls on the attention's output, the hidden units and the feed-forward's output.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        rate: float,
        out_gain: float,
        rng: np.random.Generator,
    ):
        super().__init__()
        self._rate = rate
        self.norm1 = LayerNorm(width)
        self.attention = Attention(width, heads, out_gain, rng)
        self.norm2 = LayerNorm(width)
        self.expand = Dense(width, hidden, rng)
        self.contract = Dense(hidden, width, rng, gain=out_gain)

    def __call__(self, x: mx.array, keys: mx.array | None) -> mx.array:
        """(S, P, D) -> (S, P, D); `keys` is (3, 2) uint32 in training, None in evaluation."""
        k = (None, None, None) if keys is None else (keys[0], keys[1], keys[2])
        x = x + dropout(self.attention(self.norm1(x)), self._rate, k[0])
        hidden = dropout(nn.gelu(self.expand(self.norm2(x))), self._rate, k[1])
        return x + dropout(self.contract(hidden), self._rate, k[2])


class Encoder(nn.Module):
    """`depth` layers and a closing normalisation.

    Branches that write to the residual stream start smaller by 1/sqrt(2 depth), so that the
    stream's variance does not grow with depth (GPT-2).
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        hidden: int,
        rate: float,
        rng: np.random.Generator,
    ):
        super().__init__()
        out_gain = 1.0 / math.sqrt(2 * depth)
        self.layers = [
            EncoderLayer(width, heads, hidden, rate, out_gain, rng) for _ in range(depth)
        ]
        self.norm = LayerNorm(width)

    def __call__(self, x: mx.array, key: mx.array | None) -> mx.array:
        """(S, P, D) -> (S, P, D)."""
        keys = None if key is None else mx.random.split(key, 3 * len(self.layers))
        for index, layer in enumerate(self.layers):
            x = layer(x, None if keys is None else keys[3 * index : 3 * index + 3])
        return self.norm(x)
