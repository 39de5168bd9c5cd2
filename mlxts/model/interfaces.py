"""What training asks of a model, so that a baseline network is trained by the same loop.

Also the door of every model: what comes in is checked here, once, and nowhere further in.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from jaxtyping import Float32, UInt32

from mlxts import platform, transfer
from mlxts.errors import ShapeError
from mlxts.platform import cpu_jit


class Windows(Protocol):
    """A shape as far as training has to know it."""

    @property
    def context(self) -> int:
        """Bars of a window."""
        ...


class Network(nn.Module):
    """From windows to one output each, a logit or a log return in units of the targets.

    Called, it is a module like any other of `mlx.nn`, with `train()` and `eval()`. Training and
    scoring use `forward`, where keys alone determine which of the two it is.
    """

    def __init__(self) -> None:
        super().__init__()
        platform.enable()
        cpu_jit.settle()

    @property
    def shape(self) -> Windows:
        raise NotImplementedError

    @property
    def columns(self) -> int:
        """Of a window."""
        raise NotImplementedError

    def __call__(
        self,
        x: mx.array | np.ndarray,
        keys: mx.array | np.ndarray | None = None,
        *,
        checkpointing: bool = False,
    ) -> Float32[mx.array, " B"]:
        """An output of each window.

        In training mode, which a new module is in (`train()`), dropout is on and batches are
        normalised by their own statistics; in evaluation mode (`eval()`) neither.

        Args:
            x: (B, T, columns) windows; NumPy's are converted.
            keys: (B, 2) uint32, one a sample, from which alone its dropout follows. None: drawn
                from `mx.random`, whose seed repeats them. Evaluation takes no notice of them.
            checkpointing: compute encoder layers again in the backward pass, to need less memory.

        Raises:
            ShapeError: no window, or windows of other lengths or columns than the model's; keys
                that are not one a window. It is a ValueError, too.
        """
        x = as_windows(x, self.shape.context, self.columns)
        used = _as_keys(keys, len(x)) if self.training else None
        return self.forward(x, used, checkpointing=checkpointing)

    def forward(
        self,
        x: Float32[mx.array, "B T C"],
        keys: UInt32[mx.array, "B 2"] | None = None,
        *,
        checkpointing: bool = False,
    ) -> Float32[mx.array, " B"]:
        """An output of each window of C = `columns`; `keys` mean training, None evaluation.

        Whatever mode the module is in, and without a check of what comes in.
        """
        raise NotImplementedError


def as_windows(x: Any, context: int, columns: int) -> Float32[mx.array, "B {context} {columns}"]:
    """Of what should be windows of this shape.

    Raises:
        ShapeError: it is not.
    """
    x = x if isinstance(x, mx.array) else transfer.on_device(x)
    if x.ndim != 3 or not x.shape[0] or x.shape[1:] != (context, columns):
        raise ShapeError(
            f"windows of shape {_text(x.shape)} do not fit this model, which takes one or more of "
            f"{context} bars and {columns} columns: (B, {context}, {columns})"
        )
    return x if x.dtype == mx.float32 else x.astype(mx.float32)


def _as_keys(keys: Any, count: int) -> UInt32[mx.array, "{count} 2"]:
    if keys is None:
        return mx.random.randint(0, 2**31 - 1, (count, 2), dtype=mx.uint32)
    keys = keys if isinstance(keys, mx.array) else transfer.on_device(keys)
    if keys.shape != (count, 2) or keys.dtype != mx.uint32:
        raise ShapeError(
            f"keys of shape {_text(keys.shape)} and type {keys.dtype} do not fit {count} windows; "
            f"give ({count}, 2) of uint32, e.g. mx.random.split(mx.random.key(0), {count})"
        )
    return keys


def _text(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"
