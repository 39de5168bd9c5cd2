"""A network that learns the residual of another forecast, which enters as an offset.

The offset is a number a bar: a logit, for regression a log return in units of the targets. It is
the last column, behind the features, so that windows are cut and batched as ever; the network does
not see it, and its output is added to it.
"""

import mlx.core as mx
import numpy as np
from jaxtyping import Float32, UInt32

from mlxts.model.patchtst import PatchTST, Shape


class OffsetPatchTST(PatchTST):
    """PatchTST on top of an offset, which is in the last column of its window's last bar.

    Its parameters are those of PatchTST. The output layer starts at zero (as the last layer of a
    residual branch in Fixup, Zhang and others 2019): the first prediction is the offset, exactly.

    Args:
        shape, seed, statistics: see `PatchTST`.
    """

    def __init__(self, shape: Shape, *, seed: int = 0, statistics: np.ndarray | None = None):
        super().__init__(shape, seed=seed, statistics=statistics)
        self.head.weight = mx.zeros_like(self.head.weight)

    @property
    def columns(self) -> int:
        return super().columns + 1

    def forward(
        self,
        x: Float32[mx.array, "B T C"],
        keys: UInt32[mx.array, "B 2"] | None = None,
        *,
        checkpointing: bool = False,
    ) -> Float32[mx.array, " B"]:
        """See `Network.forward`; C is one column more than `PatchTST` takes, the offset."""
        return super().forward(x[..., :-1], keys, checkpointing=checkpointing) + x[:, -1, -1]
