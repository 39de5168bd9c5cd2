"""PatchTST as the `transformers` library has it, for weights that come from there or go there.

Its shapes differ from ours: no feature projection and no low-rank head, but batch normalisation,
norms before or after each branch, a class token, attention over channels, and three heads. Every
option that decides an evaluated output is here; training such a model is the other library's
matter. What is learned keeps our layout: dense weights are (in, out), query, key and value one.
Source: `transformers`, models/patchtst (IBM and Hugging Face), after Nie et al., ICLR 2023.

Shapes: B batch, T time, C channels, P patches (and a class token, where there is one), L patch
length, D model width, N targets.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from jaxtyping import Float, Float32

from mlxts import platform
from mlxts.model.encoder import Attention
from mlxts.model.interfaces import as_windows
from mlxts.model.layers import Dense
from mlxts.model.normalisation import BatchNorm
from mlxts.model.patching import patch_count, patches
from mlxts.platform import cpu_jit

Task = Literal["classification", "regression", "prediction"]
_VARIANCE_FLOOR = 1e-5  # under the root of the deviation
_SCALE_FLOOR = 1e-10  # of the mean absolute value


@dataclass(frozen=True)
class Published:
    """What of a `transformers.PatchTSTConfig` decides an output; names and defaults are its own."""

    task: Task
    num_input_channels: int = 1  # C
    context_length: int = 32  # T
    patch_length: int = 1  # L
    patch_stride: int = 1
    num_hidden_layers: int = 3
    d_model: int = 128  # D
    num_attention_heads: int = 4
    share_embedding: bool = True
    channel_attention: bool = False
    ffn_dim: int = 512
    norm_type: Literal["batchnorm", "layernorm"] = "batchnorm"
    norm_eps: float = 1e-5
    bias: bool = True  # of the feed-forward network
    activation_function: Literal["gelu", "relu"] = "gelu"
    pre_norm: bool = True
    positional_encoding_type: Literal["sincos", "random"] = "sincos"  # either way it is a weight
    use_cls_token: bool = False
    scaling: Literal["std", "mean"] | None = "std"
    pooling_type: Literal["mean", "max"] | None = "mean"
    prediction_length: int = 24
    num_targets: int = 1  # N
    output_range: tuple[float, float] | None = None

    @property
    def patches(self) -> int:
        """Without a class token."""
        return patch_count(self.context_length, self.patch_length, self.patch_stride)

    @property
    def tokens(self) -> int:
        return self.patches + int(self.use_cls_token)

    @property
    def head_inputs(self) -> int:
        """What a row of the head reads: all channels together, or, to predict, one of them."""
        if self.task != "prediction":
            return self.num_input_channels * self.d_model
        whole = self.pooling_type is None and not self.use_cls_token
        return self.d_model * (self.patches if whole else 1)

    @property
    def head_outputs(self) -> int:
        return self.prediction_length if self.task == "prediction" else self.num_targets

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Published":
        """From what `to_dict` returned, or JSON made of it."""
        values: dict[str, Any] = dict(record)
        if (span := record.get("output_range")) is not None:
            values["output_range"] = (float(span[0]), float(span[1]))
        return cls(**values)


class _LayerNorm(nn.Module):
    def __init__(self, dims: int, epsilon: float):
        super().__init__()
        self._epsilon = epsilon
        self.weight = mx.ones((dims,))
        self.bias = mx.zeros((dims,))

    def __call__(self, x: Float[mx.array, "*rest D"]) -> Float[mx.array, "*rest D"]:
        return mx.fast.layer_norm(x, self.weight, self.bias, self._epsilon)


class _Layer(nn.Module):
    """Attention over patches, where asked for over channels (by the same weights), feed-forward."""

    def __init__(self, shape: Published, rng: np.random.Generator):
        super().__init__()
        kind = BatchNorm if shape.norm_type == "batchnorm" else _LayerNorm
        self._shape = shape
        self.attention = Attention(shape.d_model, shape.num_attention_heads, 1.0, rng)
        self.norm1 = kind(shape.d_model, shape.norm_eps)
        if shape.channel_attention:
            self.norm2 = kind(shape.d_model, shape.norm_eps)
        self.ffn_up = Dense(shape.d_model, shape.ffn_dim, rng)
        self.ffn_down = Dense(shape.ffn_dim, shape.d_model, rng)
        self.norm3 = kind(shape.d_model, shape.norm_eps)

    def __call__(self, x: Float[mx.array, "B C P D"]) -> Float[mx.array, "B C P D"]:
        B, C, P, D = x.shape
        x = self._add(x.reshape(B * C, P, D), self.norm1, self.attention).reshape(B, C, P, D)
        if self._shape.channel_attention:
            across = x.transpose(0, 2, 1, 3).reshape(B * P, C, D)
            across = self._add(across, self.norm2, self.attention)
            x = across.reshape(B, P, C, D).transpose(0, 2, 1, 3)
        x = self._add(x.reshape(B * C, P, D), self.norm3, self._feed_forward)
        return x.reshape(B, C, P, D)

    def _add(self, x: Float[mx.array, "S P D"], norm: Any, branch: Any) -> Float[mx.array, "S P D"]:
        return x + branch(norm(x)) if self._shape.pre_norm else norm(x + branch(x))

    def _feed_forward(self, x: Float[mx.array, "S P D"]) -> Float[mx.array, "S P D"]:
        activation = nn.gelu if self._shape.activation_function == "gelu" else nn.relu
        return self.ffn_down(activation(self.ffn_up(x)))


class PublishedPatchTST(nn.Module):
    """Evaluates what `transformers` trains as PatchTSTForClassification, Regression, Prediction.

    Fresh weights mean nothing; `load_weights` brings them.

    Args:
        shape: the options of its configuration.
    """

    def __init__(self, shape: Published):
        super().__init__()
        platform.enable()
        cpu_jit.settle()
        rng = np.random.default_rng(0)
        self._shape = shape
        D, C = shape.d_model, shape.num_input_channels
        self.embed = Dense(shape.patch_length, D, rng)
        if not shape.share_embedding:
            self.embed.weight = mx.zeros((C, shape.patch_length, D))
            self.embed.bias = mx.zeros((C, 1, D))
        self.position = mx.zeros((shape.tokens, D))
        if shape.use_cls_token:
            self.cls_token = mx.zeros((D,))
        self.layers = [_Layer(shape, rng) for _ in range(shape.num_hidden_layers)]
        self.head = Dense(shape.head_inputs, shape.head_outputs, rng)

    @property
    def shape(self) -> Published:
        return self._shape

    def __call__(self, x: mx.array | np.ndarray) -> Float32[mx.array, " B *outputs"]:
        """Windows to outputs, always as in evaluation.

        Args:
            x: (B, T, C), every value observed; NumPy's are converted.

        Returns:
            classification: (B, N) logits of a softmax. regression: (B, N). prediction:
            (B, prediction_length, C) in units of the channels.

        Raises:
            ShapeError: windows of another length, or of other channels. It is a ValueError, too.
        """
        shape = self._shape
        x = as_windows(x, shape.context_length, shape.num_input_channels)
        x, location, scale = self._scaled(x)
        tokens = patches(x, shape.patch_length, shape.patch_stride)
        tokens = tokens.transpose(0, 3, 1, 2)  # (B, C, P, L)
        tokens = tokens @ self.embed.weight + self.embed.bias
        if shape.use_cls_token:
            first = mx.broadcast_to(self.cls_token, (*tokens.shape[:2], 1, shape.d_model))
            tokens = mx.concatenate([first, tokens], axis=2)
        tokens = tokens + self.position
        for layer in self.layers:
            tokens = layer(tokens)
        pooled = self._pooled(tokens)
        if shape.task == "prediction":
            return self.head(pooled).transpose(0, 2, 1) * scale + location
        outputs = self.head(pooled.reshape(pooled.shape[0], -1))
        if shape.task == "regression" and shape.output_range is not None:
            low, high = shape.output_range
            outputs = mx.sigmoid(outputs) * (high - low) + low
        return outputs

    def _scaled(
        self, x: Float32[mx.array, "B T C"]
    ) -> tuple[Float32[mx.array, "B T C"], Float32[mx.array, "B 1 C"], Float32[mx.array, "B 1 C"]]:
        """The window without its location and scale, and these."""
        location, scale = mx.zeros_like(x[:, :1]), mx.ones_like(x[:, :1])
        if self._shape.scaling == "std":
            location = mx.mean(x, axis=1, keepdims=True)
            variance = mx.mean(mx.square(x - location), axis=1, keepdims=True)
            scale = mx.sqrt(variance + _VARIANCE_FLOOR)
        elif self._shape.scaling == "mean":
            scale = mx.maximum(mx.mean(mx.abs(x), axis=1, keepdims=True), _SCALE_FLOOR)
        return (x - location) / scale, location, scale

    def _pooled(self, tokens: Float[mx.array, "B C P D"]) -> Float[mx.array, "B C pooled"]:
        """(B, C, D), or (B, C, P*D) where nothing pools."""
        if self._shape.use_cls_token:
            return tokens[:, :, 0]
        if self._shape.pooling_type == "mean":
            return mx.mean(tokens, axis=2)
        if self._shape.pooling_type == "max":
            return mx.max(tokens, axis=2)
        return tokens.reshape(*tokens.shape[:2], -1)
