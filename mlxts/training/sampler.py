"""Which samples each update sees: a function of seed and step alone, so a run can start anywhere.

Nothing here holds state. The order of an epoch and the dropout keys of a step are drawn from
(seed, epoch) and (seed, step), which makes resuming exact without saving any generator. A sample's
key belongs to its place in the whole batch, so how the batch is cut changes no dropout mask.
"""

import math
from typing import NamedTuple

import mlx.core as mx
import numpy as np
from jaxtyping import Float32, Int32, Integer, Num, UInt32

from mlxts.errors import ConfigError

_ORDER, _DROPOUT = 1, 2  # streams of one seed


class Batch(NamedTuple):
    """A micro-batches of M samples."""

    rows: Int32[mx.array, "A M"]
    targets: Float32[mx.array, "A M"]
    weights: Float32[mx.array, "A M"]  # sum 1 (their mean over ranks); padding has weight 0
    keys: UInt32[mx.array, "A M 2"]  # of each sample's dropout
    samples: int  # that count


class Batches:
    """Batches of a training split.

    Args:
        rows: of each sample's decision bar.
        targets: in the loss's units.
        batch_size: samples an update. micro_batch: samples a forward pass; divides batch_size.
        seed: of order and dropout.
        share: (rank, size) where several processes train one model: which part of every batch is
            this one's. Weights then average over the whole batch once they are averaged over
            ranks.

    Raises:
        ConfigError: the batch cannot be shared out evenly.
    """

    def __init__(
        self,
        rows: Integer[np.ndarray, " n"],
        targets: Num[np.ndarray, " n"],
        batch_size: int,
        micro_batch: int,
        seed: int,
        share: tuple[int, int] = (0, 1),
    ):
        self._rows = rows.astype(np.int32)
        self._targets = targets.astype(np.float32)
        self._batch_size = batch_size
        rank, size = share
        share_size = batch_size // size
        micro_batch = min(micro_batch, share_size)
        if share_size * size != batch_size or share_size % max(micro_batch, 1):
            raise ConfigError(
                f"training.batch_size {batch_size} cannot be cut into {size} ranks of whole "
                f"micro-batches of {micro_batch}; choose a multiple of their product"
            )
        self._shape = (share_size // micro_batch, micro_batch)
        self._share = slice(rank * share_size, (rank + 1) * share_size)
        self._ranks = size
        self._seed = seed
        self._epoch = -1
        self._order = np.zeros(0, dtype=np.int64)

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self._rows) / self._batch_size)

    def sample_indices(self, step: int) -> Integer[np.ndarray, " n"]:
        """Which of the split's samples update number `step` sees, over all ranks."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng([self._seed, _ORDER, epoch])
            self._order, self._epoch = rng.permutation(len(self._rows)), epoch
        return self._order[position * self._batch_size : (position + 1) * self._batch_size]

    def at(self, step: int) -> Batch:
        """The batch of update number `step`, counted from 0 over the whole run."""
        indices = self.sample_indices(step)
        # The last batch of an epoch is filled up with samples of weight 0: one shape, one trace.
        filled = np.resize(indices, self._batch_size)
        weights = np.zeros(self._batch_size, dtype=np.float32)
        weights[: len(indices)] = self._ranks / len(indices)
        keys = np.random.default_rng([self._seed, _DROPOUT, step]).integers(
            0, 2**32, size=(self._batch_size, 2), dtype=np.uint32
        )
        share = self._share
        return Batch(
            mx.array(self._rows[filled[share]].reshape(self._shape)),
            mx.array(self._targets[filled[share]].reshape(self._shape)),
            mx.array(weights[share].reshape(self._shape)),
            mx.array(keys[share].reshape(*self._shape, 2)),
            len(indices),
        )
