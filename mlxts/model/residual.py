"""A network that learns the residual of another forecast, which enters as an offset.

The offset is a number a bar: a logit, for regression a log return in units of the targets. It is
the last column, behind the features, so that windows are cut and batched as ever; the network does
not see it, and its output is added to it.
"""

import mlx.core as mx
from jaxtyping import Float32, UInt32

from mlxts.model.patchtst import PatchTST


class OffsetPatchTST(PatchTST):
    """PatchTST on top of an offset, which is in the last column of its window's last bar.

    Its parameters are those of PatchTST. The head's bias starts at 0: the first prediction is the
    offset.
    """

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
