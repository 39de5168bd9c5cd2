"""The Transformer encoder: pre-norm, fused QKV, exact GELU.

Shapes: B batch, S sequences (a multiple of B), P patches, D model width, H heads.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from jaxtyping import Float, UInt32

from mlxts.model.layers import Dense, LayerNorm, dropout, split_keys


class Attention(nn.Module):
    """Multi-head self-attention over patches, all pairs."""

    def __init__(self, d_model: int, heads: int, out_gain: float, rng: np.random.Generator):
        super().__init__()
        self._heads = heads
        self.qkv = Dense(d_model, 3 * d_model, rng)
        self.out = Dense(d_model, d_model, rng, gain=out_gain)

    def __call__(self, x: Float[mx.array, "S P D"]) -> Float[mx.array, "S P D"]:
        S, P, D = x.shape
        q, k, v = self._queries_keys_values(x)
        mixed = mx.fast.scaled_dot_product_attention(
            q, k, v, scale=1.0 / math.sqrt(D // self._heads)
        )
        return self.out(mixed.transpose(0, 2, 1, 3).reshape(S, P, D))

    def _queries_keys_values(
        self, x: Float[mx.array, "S P D"]
    ) -> tuple[Float[mx.array, "S H P D//H"], ...]:
        S, P, D = x.shape
        qkv = self.qkv(x).reshape(S, P, 3, self._heads, D // self._heads)
        # Indexing with 0, 1, 2 would gather, and add the gradients up by scattering: `split` is a
        # view, and its gradient a concatenation.
        return tuple(part.squeeze(0) for part in mx.split(qkv.transpose(2, 0, 3, 1, 4), 3))


class EncoderLayer(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)).

    Dropout falls on the attention's output, the hidden units and the feed-forward's output.
    `norm` and `attention` make these parts, see `encoder_variants.py` for others.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        ffn_dim: int,
        rate: float,
        out_gain: float,
        rng: np.random.Generator,
        *,
        norm: Callable[[int], Any] = LayerNorm,
        attention: type[Attention] = Attention,
    ):
        super().__init__()
        self._rate = rate
        self.norm1 = norm(d_model)
        self.attention = attention(d_model, heads, out_gain, rng)
        self.norm2 = norm(d_model)
        self.ffn_up = Dense(d_model, ffn_dim, rng)
        self.ffn_down = Dense(ffn_dim, d_model, rng, gain=out_gain)

    def __call__(
        self, x: Float[mx.array, "S P D"], keys: Sequence[UInt32[mx.array, "B 2"]] | None
    ) -> Float[mx.array, "S P D"]:
        """Three `keys` a sample mean training, None evaluation."""
        k = keys or (None, None, None)
        x = x + dropout(self.attention(self.norm1(x)), self._rate, k[0])
        hidden = dropout(nn.gelu(self.ffn_up(self.norm2(x))), self._rate, k[1])
        return x + dropout(self.ffn_down(hidden), self._rate, k[2])


class Encoder(nn.Module):
    """`depth` layers and a closing normalisation.

    Branches that write to the residual stream start smaller by 1/sqrt(2 depth), so that the
    stream's variance does not grow with depth (GPT-2).
    """

    def __init__(
        self,
        d_model: int,
        depth: int,
        heads: int,
        ffn_dim: int,
        rate: float,
        rng: np.random.Generator,
        *,
        norm: Callable[[int], Any] = LayerNorm,
        layer: Callable[..., Any] = EncoderLayer,
    ):
        super().__init__()
        out_gain = 1.0 / math.sqrt(2 * depth)
        self.layers = [layer(d_model, heads, ffn_dim, rate, out_gain, rng) for _ in range(depth)]
        self.norm = norm(d_model)

    def __call__(
        self,
        x: Float[mx.array, "S P D"],
        keys: UInt32[mx.array, "B 2"] | None,
        *,
        checkpointing: bool = False,
    ) -> Float[mx.array, "S P D"]:
        """Tokens as the layers leave them.

        Args:
            keys: in training; None in evaluation.
            checkpointing: keep only each layer's input for the backward pass and compute the
                layer again there (Chen et al. 2016).
        """
        sites = None if keys is None else split_keys(keys, 3 * len(self.layers))
        for index, layer in enumerate(self.layers):
            # Keys are closed over: drawn inside, the second pass would see another mask.
            run = partial(layer, keys=None if sites is None else sites[3 * index : 3 * index + 3])
            x = nn.utils.checkpoint(layer, run)(x) if checkpointing else run(x)
        return self.norm(x)
