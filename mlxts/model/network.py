"""What training asks of a model, so that a rival of PatchTST is trained by the same loop."""

from typing import Protocol

import mlx.core as mx
import mlx.nn as nn

from mlxts import kernels


class Windows(Protocol):
    """A shape as far as training has to know it."""

    @property
    def context(self) -> int:
        """Bars of a window."""
        ...


class Network(nn.Module):
    """From windows to one output each, a logit or a log return in units of the targets."""

    def __init__(self) -> None:
        super().__init__()
        kernels.settle()

    @property
    def shape(self) -> Windows:
        raise NotImplementedError

    def __call__(
        self, x: mx.array, keys: mx.array | None = None, *, checkpointing: bool = False
    ) -> mx.array:
        """(B, T, columns) -> (B,); `keys`, (B, 2) uint32, turn dropout on."""
        raise NotImplementedError
