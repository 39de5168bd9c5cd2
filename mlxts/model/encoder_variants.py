"""Encoders by flags: batch normalisation, residual attention, no closing normalisation.

They are apart so that the encoder that the protocol trains stays as short and as fast as it is.

Shapes: B batch, S sequences (a multiple of B), P patches, D model width, H heads.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import mlx.core as mx
import mlx.nn as nn
from jaxtyping import Float, UInt32

from mlxts.model.encoder import Attention, Encoder, EncoderLayer
from mlxts.model.layers import dropout, split_keys
from mlxts.model.normalisation import Norm, make, normalised

Head = Literal["flatten", "mean", "max"]


class ResidualAttention(Attention):
    """Attention whose scores start from those of the layer before (He et al. 2021, RealFormer)."""

    def scored(
        self, x: Float[mx.array, "S P D"], before: Float[mx.array, "S H P P"] | None
    ) -> tuple[Float[mx.array, "S P D"], Float[mx.array, "S H P P"]]:
        """Outputs, and scores before the softmax."""
        S, P, D = x.shape
        q, k, v = self._queries_keys_values(x)
        scores = (q * (1.0 / math.sqrt(D // self._heads))) @ k.transpose(0, 1, 3, 2)
        if before is not None:
            scores = scores + before
        mixed = mx.softmax(scores, axis=-1, precise=True) @ v
        return self.out(mixed.transpose(0, 2, 1, 3).reshape(S, P, D)), scores


class VariantLayer(EncoderLayer):
    """`encoder.EncoderLayer` with a choice of normalisation and attention."""

    def __call__(
        self,
        x: Float[mx.array, "S P D"],
        before: Float[mx.array, "S H P P"] | None,
        keys: Sequence[UInt32[mx.array, "B 2"]] | None,
    ) -> tuple[Float[mx.array, "S P D"], Float[mx.array, "S H P P"] | None]:
        """Outputs and scores, from those of the layer before; `keys` as in EncoderLayer."""
        k = keys or (None, None, None)
        training = keys is not None
        inputs, scores = normalised(self.norm1, x, training=training), None
        if isinstance(self.attention, ResidualAttention):
            attended, scores = self.attention.scored(inputs, before)
        else:
            attended = self.attention(inputs)
        x = x + dropout(attended, self._rate, k[0])
        inputs = normalised(self.norm2, x, training=training)
        hidden = dropout(nn.gelu(self.ffn_up(inputs)), self._rate, k[1])
        return x + dropout(self.ffn_down(hidden), self._rate, k[2]), scores


class VariantEncoder(Encoder):
    """`encoder.Encoder` of such layers.

    Args:
        *shape: as of `encoder.Encoder`.
        closing: whether a normalisation closes it.
    """

    def __init__(self, *shape: Any, norm: Norm, res_attention: bool, closing: bool):
        make_norm = partial(make, norm)
        attention = ResidualAttention if res_attention else Attention
        layer = partial(VariantLayer, norm=make_norm, attention=attention)
        super().__init__(*shape, norm=make_norm, layer=layer)
        self._closing = closing
        if not closing:
            del self.norm

    def __call__(
        self,
        x: Float[mx.array, "S P D"],
        keys: UInt32[mx.array, "B 2"] | None,
        *,
        checkpointing: bool = False,
    ) -> Float[mx.array, "S P D"]:
        """As `encoder.Encoder`; batch statistics and `checkpointing` exclude each other."""
        sites = None if keys is None else split_keys(keys, 3 * len(self.layers))
        scores = None
        for index, layer in enumerate(self.layers):
            layer_keys = None if sites is None else sites[3 * index : 3 * index + 3]
            if checkpointing:
                # An absent array is closed over: the checkpoint takes arrays alone.
                run = partial(_first, layer, layer_keys)
                if scores is not None:
                    run = partial(layer, keys=layer_keys)
                inputs = (x,) if scores is None else (x, scores)
                x, scores = nn.utils.checkpoint(layer, run)(*inputs)
            else:
                x, scores = layer(x, scores, layer_keys)
        return normalised(self.norm, x, training=keys is not None) if self._closing else x


def _first(
    layer: VariantLayer,
    keys: Sequence[UInt32[mx.array, "B 2"]] | None,
    x: Float[mx.array, "S P D"],
) -> tuple[Float[mx.array, "S P D"], Float[mx.array, "S H P P"] | None]:
    return layer(x, None, keys)


def encoder(
    *shape: Any, norm: Norm = "layer", res_attention: bool = False, closing: bool = True
) -> Encoder:
    """The encoder of these flags, its shape as of `encoder.Encoder`: that where none is set."""
    if norm == "layer" and closing and not res_attention:
        return Encoder(*shape)
    return VariantEncoder(*shape, norm=norm, res_attention=res_attention, closing=closing)


def pool(tokens: Float[mx.array, "S P D"], head: Head) -> Float[mx.array, "S pooled"]:
    """(S, P*D) flattened, or (S, D): the mean or the largest over patches."""
    if head == "flatten":
        return tokens.reshape(tokens.shape[0], -1)
    return mx.mean(tokens, axis=1) if head == "mean" else mx.max(tokens, axis=1)
