"""A network that learns the residual of another forecast, which enters as an offset.

The offset is a number a bar: a logit, for regression a log return in units of the targets. It is
the last column, behind the features, so that windows are cut and batched as ever; the network does
not see it, and its output is added to it.
"""

import mlx.core as mx
import numpy as np
import polars as pl
from jaxtyping import Float, Float32, UInt32

from mlxts.dataset.samples import Dataset
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
    data: Dataset, offset: Float[np.ndarray, " days"]
) -> Float32[np.ndarray, "rows {data.features.shape[1]}+1"]:
    """The features with the offset as a last column.

    Args:
        offset: of each daily bar.

    Returns:
        The offset is that of the day on which a bar ends, and 0 where the symbol did not trade on
        that day.
    """
    keys = ["date", "symbol"]
    days = data.daily.select(*keys, pl.Series("offset", offset, dtype=pl.Float32))
    of_bar = data.bars.select(keys).join(days, on=keys, how="left", maintain_order="left")
    rows, count = data.features.shape
    array = device.host_array(rows, count + 1)
    array[:, :count] = data.features
    array[:, count] = of_bar["offset"].fill_null(0.0).to_numpy()
    array.flags.writeable = False
    return array
