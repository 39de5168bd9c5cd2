"""A network that learns the residual of another forecast, which enters as an offset.

The offset is a number a bar: a logit, for regression a log return in units of the targets. It is
the last column, behind the features, so that windows are cut and batched as ever; the network does
not see it, and its output is added to it.
"""

import mlx.core as mx
import numpy as np
from jaxtyping import Float, Float32, UInt32

from mlxts.model.patchtst import PatchTST
from mlxts.platform import device


class OffsetPatchTST(PatchTST):
    """PatchTST on top of an offset, which stands in the last column of its window's last bar.

    Its parameters are those of PatchTST. The head's bias starts at 0: the first prediction is the
    offset.
    """

    @property
    def columns(self) -> int:
        return self._shape.features + 1

    def forward(
        self,
        x: Float32[mx.array, "B T C"],
        keys: UInt32[mx.array, "B 2"] | None = None,
        *,
        checkpointing: bool = False,
    ) -> Float32[mx.array, " B"]:
        """See `Network.forward`; C = F + 1, the features and the offset."""
        return super().forward(x[..., :-1], keys, checkpointing=checkpointing) + x[:, -1, -1]


def append_offset(
    features: Float32[np.ndarray, "rows F"], offset: Float[np.ndarray, " rows"]
) -> Float32[np.ndarray, "rows F+1"]:
    """The features with the offset of each bar as a last column."""
    rows, count = features.shape
    array = device.host_array(rows, count + 1)
    array[:, :count] = features
    array[:, count] = offset
    array.flags.writeable = False
    return array
