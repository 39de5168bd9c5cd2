"""Multiple comparison: which of many models beat the reference, and which are not distinguishable
from the best.

Tests that account for the number of models, from `arch`: superior predictive ability (Hansen 2005),
the step-wise version that names the superior ones (Romano, Wolf 2005), and the model confidence set
(Hansen, Lunde, Nason 2011). Losses are means over seeds, day by day; blocks as everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from arch.bootstrap import MCS, SPA, StepM

from mlxts.scaling import bootstrap
from mlxts.scaling.loss_table import LossTable

SIZE = 0.05


@dataclass(frozen=True)
class Comparison:
    """Rungs of a table against the reference and each other.

    Attributes:
        p_superior: of "no size beats the reference" (SPA, consistent).
        superior: indices of the rungs that beat the reference (StepM at 5 %).
        confidence_set: indices of the rungs that may be the best (MCS at 5 %).
        p_best: (K,) each rung's MCS p-value.
    """

    p_superior: float
    superior: tuple[int, ...]
    confidence_set: tuple[int, ...]
    p_best: tuple[float, ...]


def compare(table: LossTable, *, draws: int = bootstrap.DRAWS, seed: int = 0) -> Comparison:
    """Compare the sizes of a table."""
    count = len(table.rungs)
    means = np.stack(
        [table.losses[:, table.rung_of_run == rung].mean(axis=1) for rung in range(count)], axis=1
    )
    block = table.bootstrap.block

    def rng() -> np.random.Generator:
        return np.random.default_rng(seed)

    spa = SPA(table.reference, means, reps=draws, block_size=block, seed=rng())
    spa.compute()
    step = StepM(table.reference, means, SIZE, reps=draws, block_size=block, seed=rng())
    step.compute()
    # Sizes with equal losses on every day are one model; between them no variance can be taken.
    distinct, of_rung = np.unique(means, axis=1, return_inverse=True)
    best, included = np.ones(distinct.shape[1]), set(range(distinct.shape[1]))
    if len(best) > 1:
        mcs = MCS(distinct, SIZE, reps=draws, block_size=block, seed=rng())
        mcs.compute()
        best = mcs.pvalues["Pvalue"].sort_index().to_numpy()
        included = set(_indices(mcs.included))
    return Comparison(
        p_superior=float(spa.pvalues["consistent"]),
        superior=_indices(step.superior_models),
        confidence_set=tuple(k for k in range(count) if of_rung[k] in included),
        p_best=tuple(float(p) for p in best[of_rung]),
    )


def _indices(columns: Sequence[Any]) -> tuple[int, ...]:
    return tuple(sorted(int(column) for column in columns))
