"""Seed and day variance of finished runs, which a plan uses instead of the usual figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlxts.errors import MlxtsError
from mlxts.protocol import LossNoise
from mlxts.scaling import axes, ledger, walk_forward_ledger
from mlxts.scaling.loss_table import LossTable, slope_weights


def of_runs(folders: Sequence[Path]) -> LossNoise | None:
    """The noise along parameters of finished runs; None where they are too few to know it."""
    try:
        fixed, walked = walk_forward_ledger.apart(folders)
        if not fixed and not walked:
            return None
        joined = walk_forward_ledger.join(walked, alike=False) if walked else ledger.build(fixed)
        tables = axes.tables(joined, "parameters")
    except MlxtsError:  # too few of them, or windows that nobody has asked for yet
        return None
    return of_tables(tables)


def of_tables(tables: Sequence[LossTable]) -> LossNoise | None:
    """The mean over tables of the same task, in quadrature; None without two seeds of a size.

    A day's part of the gain per decade is that of the mean over seeds; what single networks differ
    by from day to day is in it, as in the error that is asked for.
    """
    usable = [t for t in tables if len(t.rungs) > 1 and (t.seeds > 1).any() and not t.obstacle]
    if not usable:
        return None
    seed = np.mean([_seed_variance(table) for table in usable])
    day = np.mean([np.var(table.losses @ slope_weights(table), ddof=1) for table in usable])
    return LossNoise(float(np.sqrt(seed)), float(np.sqrt(day)))


def _seed_variance(table: LossTable) -> float:
    """Of a network's mean loss at one origin, over its seeds; its window's days are in it."""
    origins = np.zeros(len(table.dates)) if table.origins is None else table.origins
    means = np.stack(
        [table.losses[origins == origin].mean(axis=0) for origin in np.unique(origins)]
    )
    several = np.flatnonzero(table.seeds > 1)
    variances = [means[:, table.rung_of_run == rung].var(axis=1, ddof=1) for rung in several]
    return float(np.mean(variances))
