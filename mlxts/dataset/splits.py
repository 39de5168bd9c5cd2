"""Which split a decision belongs to, and which decisions belong to none.

A sample is in a split when its decision date *and* the last date of its label lie in it. The last
H decisions before a border are therefore purged: their labels would peek over it (López de Prado
2018, ch. 7). Inputs may reach back over a border, because the past is known.
"""

from datetime import date

import numpy as np
from jaxtyping import Bool, Int8, Shaped

from mlxts.protocol import SPLIT_NAMES, Splits

NONE = -1


def assign(
    decisions: Shaped[np.ndarray, " n"], label_ends: Shaped[np.ndarray, " n"], splits: Splits
) -> Int8[np.ndarray, " n"]:
    """The index into `protocol.SPLIT_NAMES` of every sample; `NONE` where it is in no split.

    Args:
        decisions: datetime64[D], the dates of the decision bars.
        label_ends: datetime64[D], the last dates of the labels; NaT where there is no label.
        splits: the borders.
    """
    assigned = np.full(len(decisions), NONE, dtype=np.int8)
    for index, name in enumerate(SPLIT_NAMES):
        first, last = getattr(splits, name)
        # NaT compares as False with everything, so a sample without a label is in no split.
        inside = _from(decisions, first) & _until(decisions, last) & _until(label_ends, last)
        assigned[inside & ~np.isnat(label_ends)] = index
    return assigned


def _from(dates: Shaped[np.ndarray, " n"], first: date | None) -> Bool[np.ndarray, " n"]:
    return np.full(len(dates), True) if first is None else dates >= np.datetime64(first, "D")


def _until(dates: Shaped[np.ndarray, " n"], last: date | None) -> Bool[np.ndarray, " n"]:
    return np.full(len(dates), True) if last is None else dates <= np.datetime64(last, "D")
