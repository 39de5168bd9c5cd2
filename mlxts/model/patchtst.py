"""PatchTST (Nie et al., ICLR 2023) for one label per window, in two channel modes.

Shapes: B batch, T time (bars), F features, R projected features, P patches, L patch length,
D model width, K head rank.

mixing       RevIN -> features F to R, shared over time -> patches of R*L values to D -> encoder
             -> flatten P*D -> 1. One sequence a window.
independent  RevIN -> each feature's patches of L values to D, shared over features -> encoder
             -> flatten P*D to K, shared over features -> F*K to 1. F sequences a window.

With a pooled head (`head`: mean, max) the mean or the largest over patches takes the place of
flattening, and no normalisation closes the encoder, as in the `transformers` library.

With an asset embedding (`assets`) a learned vector of D values, one an asset, is added to each of a
window's tokens (as categories are embedded by Guo and Berkhahn 2016).

With `last_bar` the head is also given a hidden layer of R (K) units over the decision bar itself:
its features in deviations of the training rows, and what follows them. RevIN takes levels out
of a window, and a flattened head sees the last bar through nine patches.

The ranks R and K keep 2,000 features from eating a 2M budget.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from jaxtyping import Float32, UInt32
from mlx.utils import tree_flatten

from mlxts.errors import ShapeError
from mlxts.model import encoder_variants
from mlxts.model.encoder_variants import Head
from mlxts.model.interfaces import Network
from mlxts.model.layers import Dense, dropout, require_rate, require_statistics, split_keys
from mlxts.model.normalisation import Norm
from mlxts.model.patching import patch_count, patches
from mlxts.model.revin import RevIN

T = TypeVar("T")
_CLIP = 10.0  # training deviations: no level of the last bar is longer than this

_CHOICES: dict[str, tuple[str, ...]] = {
    "channels": ("mixing", "independent"), "norm": get_args(Norm), "head": get_args(Head),
}  # fmt: skip
_COUNTS = (
    "features", "context", "patch_length", "stride", "d_model", "depth", "heads", "ffn_dim", "rank",
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """Everything that decides the built model; lengths in bars, sizes in units.

    `parameter_budget.solve` finds the one that meets a parameter budget.

    Raises:
        ShapeError: no model can be of this shape; names the field. It is a ValueError, too.
    """

    channels: Literal["mixing", "independent"]
    features: int  # F
    context: int  # T
    patch_length: int  # L
    stride: int
    d_model: int  # D
    depth: int
    heads: int
    ffn_dim: int  # feed-forward units
    rank: int  # R in mixing mode, K in independent mode
    dropout: float = 0.0
    head_dropout: float = 0.0
    revin: bool = True
    revin_affine: bool = False
    revin_subtract_last: bool = False
    statistics_to_head: bool = False
    norm: Norm = "layer"
    res_attention: bool = False
    head: Head = "flatten"
    assets: int = 0  # with a vector each; 0: none
    last_bar: int = 0  # columns behind the features that reach the head with them; 0: neither does

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ShapeError(f"{name}: {getattr(self, name)!r} is none of {', '.join(choices)}")
        for name in _COUNTS:
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ShapeError(f"{name}: {value!r} is no whole number above 0")
        for name in ("assets", "last_bar"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ShapeError(f"{name}: {value!r} is no whole number from 0")
        for name in ("dropout", "head_dropout"):
            require_rate(name, getattr(self, name))
        if self.patch_length > self.context:
            raise ShapeError(
                f"patch_length: {self.patch_length} is longer than the context of {self.context}"
            )
        if self.d_model % self.heads:
            raise ShapeError(f"d_model: {self.d_model} cannot be shared by {self.heads} heads")

    @property
    def patches(self) -> int:
        return patch_count(self.context, self.patch_length, self.stride)

    @property
    def pooled(self) -> int:
        """What is left of a sequence for the head: P*D flattened, else D."""
        return self.d_model * (self.patches if self.head == "flatten" else 1)

    @property
    def sequences(self) -> int:
        """Encoder sequences a window."""
        return self.features if self.channels == "independent" else 1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Shape":
        """From what `to_dict` returned, of this version or of 0.1. Raises ShapeError."""
        return cls(**current_fields(values))


class Counts(NamedTuple):
    """Trainable parameters, apart: encoder, embedding, head."""

    body: int
    embed: int
    head: int

    @property
    def total(self) -> int:
        return self.body + self.embed + self.head


class PatchTST(Network):
    """One logit (or one predicted log return) a window.

    Args:
        shape: from `parameter_budget.solve`, or by hand.
        seed: initial weights; the same on every backend.
        bias: the head's initial bias, e.g. the base rate's logit.
        statistics: (2, F) mean and deviation of the features on the training rows. They put the
            window statistics that RevIN removed on one scale before the head sees them; only
            used with `statistics_to_head` and `last_bar`.

    Raises:
        ShapeError: statistics of another shape.

    Source:
        Nie, Nguyen, Sinthong, Kalagnanam: A Time Series is Worth 64 Words, ICLR 2023.
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
        self.revin = RevIN(
            shape.features, affine=shape.revin_affine, subtract_last=shape.revin_subtract_last
        )
        if shape.channels == "mixing":
            self.input_proj = Dense(shape.features, shape.rank, rng)
            self.embed = Dense(shape.rank * shape.patch_length, shape.d_model, rng)
        else:
            self.embed = Dense(shape.patch_length, shape.d_model, rng)
        self.position = mx.array(
            rng.uniform(-0.02, 0.02, (shape.patches, shape.d_model)).astype(np.float32)
        )
        if shape.assets:  # all alike at first; one that is never trained on stays at 0
            self.asset_embedding = mx.zeros((shape.assets, shape.d_model))
        self.encoder = encoder_variants.encoder(
            shape.d_model, shape.depth, shape.heads, shape.ffn_dim, shape.dropout, rng,
            norm=shape.norm, res_attention=shape.res_attention, closing=shape.head == "flatten",
        )  # fmt: skip
        inputs = shape.pooled
        if shape.channels == "independent":
            self.head_down = Dense(shape.pooled, shape.rank, rng)
            inputs = shape.features * shape.rank
        inputs += 2 * shape.features if shape.statistics_to_head else 0
        if shape.last_bar:
            self.last_bar = Dense(shape.features + shape.last_bar, shape.rank, rng)
            inputs += shape.rank
        # An output layer that starts near zero makes the first prediction the bias itself.
        self.head = Dense(inputs, 1, rng, gain=inputs**-0.5)
        self.head.bias = mx.array([bias], dtype=mx.float32)
        if shape.statistics_to_head or shape.last_bar:
            if statistics is None:
                statistics = np.stack([np.zeros(shape.features), np.ones(shape.features)])
            mean, deviation = require_statistics(statistics, shape.features)
            self._center = mx.array(mean.astype(np.float32))
            self._spread = mx.array(np.maximum(deviation, 1e-6).astype(np.float32))

    @property
    def shape(self) -> Shape:
        return self._shape

    @property
    def columns(self) -> int:
        return self._shape.features + self._shape.last_bar + bool(self._shape.assets)

    def forward(
        self,
        x: Float32[mx.array, "B T C"],
        keys: UInt32[mx.array, "B 2"] | None = None,
        *,
        checkpointing: bool = False,
    ) -> Float32[mx.array, " B"]:
        """See `Network.forward`; C = F, and behind the features what else the head is given of the
        last bar, and the asset's number, where the shape has them.

        Statistics are taken and the head is computed in float32, everything between in the
        precision of the weights that are there.
        """
        shape = self._shape
        count = 4 if shape.last_bar else 3
        sites = [None] * count if keys is None else split_keys(keys, count)
        asset = bar = None
        if shape.assets:
            asset, x = x[:, -1, -1], x[..., :-1]
        if shape.last_bar:
            bar, x = x[:, -1], x[..., : shape.features]
        normalised = self.revin(x)
        if shape.revin:
            x = normalised.x
        x = x.astype(self.embed.weight.dtype)
        B = x.shape[0]
        if shape.channels == "mixing":
            tokens = patches(self.input_proj(x), shape.patch_length, shape.stride)  # (B, P, L, R)
            tokens = tokens.reshape(B, shape.patches, -1)
        else:
            tokens = patches(x, shape.patch_length, shape.stride)
            tokens = tokens.transpose(0, 3, 1, 2)  # (B, F, P, L)
            tokens = tokens.reshape(B * shape.features, shape.patches, -1)
        tokens = self.embed(tokens) + self.position
        if asset is not None:
            # A product with zeros and a one: the gradient of a look-up adds by scattering, in an
            # order that a GPU's threads leave open.
            chosen = asset[:, None] == mx.arange(shape.assets)
            asset_vectors = chosen.astype(tokens.dtype) @ self.asset_embedding  # (B, D)
            per_asset = tokens.reshape(B, -1, shape.patches, shape.d_model)
            tokens = (per_asset + asset_vectors[:, None, None]).reshape(tokens.shape)
        tokens = dropout(tokens, shape.dropout, sites[0])
        tokens = self.encoder(tokens, sites[1], checkpointing=checkpointing)
        flat = encoder_variants.pool(tokens, shape.head)
        if shape.channels == "independent":
            flat = self.head_down(flat).reshape(B, -1)
        flat = flat.astype(mx.float32)
        if shape.statistics_to_head:
            location = (normalised.location - self._center) / self._spread
            scale = mx.log(normalised.scale / self._spread)
            flat = mx.concatenate([flat, location, scale], axis=1)
        if bar is not None:
            levels = (bar[:, : shape.features] - self._center) / self._spread
            levels = mx.clip(levels, -_CLIP, _CLIP)
            bar = mx.concatenate([levels, bar[:, shape.features :]], axis=1)
            flat = mx.concatenate(
                [flat, dropout(nn.gelu(self.last_bar(bar)), shape.dropout, sites[3])], axis=1
            )
        return self.head(dropout(flat, shape.head_dropout, sites[2])).squeeze(-1)

    def counts(self) -> Counts:
        """Trainable parameters of the built model, counted on its arrays."""
        sizes = {"body": 0, "embed": 0, "head": 0}
        for name, value in flat_arrays(self.trainable_parameters()).items():
            sizes[_PARTS[name.split(".")[0]]] += value.size
        return Counts(**sizes)


def current_fields(values: Mapping[str, T]) -> dict[str, T]:
    """Values by the fields of `Shape`, under today's names; see `_RENAMED_FIELDS`."""
    return {_RENAMED_FIELDS.get(name, name): value for name, value in values.items()}


def current_names(values: Mapping[str, T]) -> dict[str, T]:
    """Weights (or an optimizer's moments) by dotted name, under today's names; see `_RENAMED`."""
    return {
        ".".join(_RENAMED.get(part, part) for part in name.split(".")): value
        for name, value in values.items()
    }


def flat_arrays(tree: Any) -> dict[str, mx.array]:
    """A parameter or optimizer tree as {dotted name: array}, sorted by name."""
    pairs = sorted(tree_flatten(tree), key=lambda pair: pair[0])
    return {name: value for name, value in pairs if isinstance(value, mx.array)}


# Modules and fields of version 0.1, as its checkpoints, runs and exports have them.
_RENAMED = {
    "project": "input_proj",
    "summarise": "head_down",
    "expand": "ffn_up",
    "contract": "ffn_down",
}
_RENAMED_FIELDS = {"width": "d_model", "hidden": "ffn_dim", "factor": "rank"}
_PARTS = {
    "encoder": "body",
    "revin": "embed",
    "input_proj": "embed",
    "embed": "embed",
    "position": "embed",
    "asset_embedding": "embed",
    "head_down": "head",
    "last_bar": "head",
    "head": "head",
}
