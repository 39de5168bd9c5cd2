"""PatchTST (Nie et al., ICLR 2023) for one label per window, in two channel modes.

Shapes: B batch, T time (bars), F features, R projected features, P patches, L patch length,
D model width, K head rank.

mixing       RevIN -> features F to R, shared over time -> patches of R*L values to D -> encoder
             -> flatten P*D -> 1. One sequence a window.
independent  RevIN -> each feature's patches of L values to D, shared over features -> encoder
             -> flatten P*D to K, shared over features -> F*K to 1. F sequences a window.

The factors R and K keep 2,000 features from eating a 2M budget.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten

from mlxts.model.encoder import Encoder
from mlxts.model.layers import Dense, dropout
from mlxts.model.patching import patch_count, patch_rows, patches
from mlxts.model.revin import RevIN


@dataclass(frozen=True)
class Shape:
    """Everything that decides the built model."""

    channels: Literal["mixing", "independent"]
    features: int  # F
    context: int  # T
    patch_length: int  # L
    stride: int
    width: int  # D
    depth: int
    heads: int
    hidden: int  # feed-forward units
    factor: int  # R in mixing mode, K in independent mode
    dropout: float = 0.0
    head_dropout: float = 0.0
    revin: bool = True
    revin_affine: bool = False
    revin_subtract_last: bool = False
    statistics_to_head: bool = False

    @property
    def patches(self) -> int:
        return patch_count(self.context, self.patch_length, self.stride)

    @property
    def sequences(self) -> int:
        """Encoder sequences a window."""
        return self.features if self.channels == "independent" else 1

    def record(self) -> dict[str, Any]:
        return asdict(self)


class Counts(NamedTuple):
    """Trainable parameters, apart: encoder, embedding, head."""

    body: int
    embed: int
    head: int

    @property
    def total(self) -> int:
        return self.body + self.embed + self.head


class PatchTST(nn.Module):
    """One logit (or one predicted log return) a window.

    Args:
        shape: from `budget.solve`, or by hand.
        seed: initial weights; the same on every backend.
        bias: the head's initial bias, e.g. the base rate's logit.
        statistics: (2, F) mean and deviation of the features on the training rows. They put the
            window statistics that RevIN removed on one scale before the head sees them; only
            used with `statistics_to_head`.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        seed: int = 0,
        bias: float = 0.0,
        statistics: np.ndarray | None = None,
    ):
        super().__init__()
        rng = np.random.default_rng(seed)
        self._shape = shape
        self._rows = patch_rows(shape.context, shape.patch_length, shape.stride)
        self.revin = RevIN(
            shape.features, affine=shape.revin_affine, subtract_last=shape.revin_subtract_last
        )
        if shape.channels == "mixing":
            self.project = Dense(shape.features, shape.factor, rng)
            self.embed = Dense(shape.factor * shape.patch_length, shape.width, rng)
        else:
            self.embed = Dense(shape.patch_length, shape.width, rng)
        self.position = mx.array(
            rng.uniform(-0.02, 0.02, (shape.patches, shape.width)).astype(np.float32)
        )
        self.encoder = Encoder(
            shape.width, shape.depth, shape.heads, shape.hidden, shape.dropout, rng
        )
        flat = shape.patches * shape.width
        inputs = flat
        if shape.channels == "independent":
            self.summarise = Dense(flat, shape.factor, rng)
            inputs = shape.features * shape.factor
        inputs += 2 * shape.features if shape.statistics_to_head else 0
        # An output layer that starts near zero makes the first prediction the bias itself.
        self.head = Dense(inputs, 1, rng, gain=inputs**-0.5)
        self.head.bias = mx.array([bias], dtype=mx.float32)
        if shape.statistics_to_head:
            known = np.stack([np.zeros(shape.features), np.ones(shape.features)])
            given = known if statistics is None else statistics
            self._center = mx.array(given[0].astype(np.float32))
            self._spread = mx.array(np.maximum(given[1], 1e-6).astype(np.float32))

    @property
    def shape(self) -> Shape:
        return self._shape

    def __call__(self, x: mx.array, key: mx.array | None = None) -> mx.array:
        """(B, T, F) -> (B,). `key` turns dropout on."""
        shape = self._shape
        keys = (None, None, None) if key is None else mx.random.split(key, 3)
        normalised = self.revin(x)
        if shape.revin:
            x = normalised.x
        B = x.shape[0]
        if shape.channels == "mixing":
            tokens = patches(self.project(x), self._rows)  # (B, P, L, R)
            tokens = tokens.reshape(B, shape.patches, -1)
        else:
            tokens = patches(x, self._rows).transpose(0, 3, 1, 2)  # (B, F, P, L)
            tokens = tokens.reshape(B * shape.features, shape.patches, -1)
        tokens = dropout(self.embed(tokens) + self.position, shape.dropout, keys[0])
        tokens = self.encoder(tokens, keys[1])
        flat = tokens.reshape(tokens.shape[0], -1)
        if shape.channels == "independent":
            flat = self.summarise(flat).reshape(B, -1)
        if shape.statistics_to_head:
            location = (normalised.location - self._center) / self._spread
            scale = mx.log(normalised.scale / self._spread)
            flat = mx.concatenate([flat, location, scale], axis=1)
        return self.head(dropout(flat, shape.head_dropout, keys[2])).squeeze(-1)

    def counts(self) -> Counts:
        """Trainable parameters of the built model, counted on its arrays."""
        sizes = {"body": 0, "embed": 0, "head": 0}
        for name, value in flat_arrays(self.trainable_parameters()).items():
            sizes[_PARTS[name.split(".")[0]]] += value.size
        return Counts(**sizes)


def flat_arrays(tree: Any) -> dict[str, mx.array]:
    """A parameter or optimizer tree as {dotted name: array}, sorted by name."""
    pairs = sorted(tree_flatten(tree), key=lambda pair: pair[0])
    return {name: value for name, value in pairs if isinstance(value, mx.array)}


_PARTS = {
    "encoder": "body",
    "revin": "embed",
    "project": "embed",
    "embed": "embed",
    "position": "embed",
    "summarise": "head",
    "head": "head",
}
