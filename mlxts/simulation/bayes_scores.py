"""Log loss and AUC of the oracle, the best possible forecast, from its probabilities.

Where p_t is P(target | all that is known at t), no forecast has a lower expected log loss than p
itself, whose expectation over outcomes is the mean binary entropy; and no ranking has a higher
expected AUC than that of p.
"""

import numpy as np
import polars as pl
from scipy.special import entr

from mlxts.data.sources.base import ORACLE_PREFIX


def entropy(p: np.ndarray) -> np.ndarray:
    """Binary entropy, nats; 0 at the ends."""
    return entr(p) + entr(1 - p)


def log_loss(p: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Expected log loss of the forecast `p`, nats."""
    return float(np.average(entropy(p), weights=weights))


def auc(p: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Expected AUC of ranking by `p`: E[p G(p)] / (E[p] E[1 - p]), where G(x) is
    E[(1 - q)(1{q < x} + 1{q = x} / 2)] over an independent q of the same law.

    NaN where only one class can occur.
    """
    values, place = np.unique(p, return_inverse=True)
    mass = np.bincount(place, weights=weights)
    mass = mass / mass.sum()
    positive, negative = mass * values, mass * (1 - values)
    below = np.cumsum(negative) - negative / 2
    both = positive.sum() * negative.sum()
    return float(positive @ below / both) if both else float("nan")


def figures(p: np.ndarray, weights: np.ndarray | None = None) -> dict[str, float | None]:
    """base_rate, log_loss (nats) and auc (None where only one class can occur)."""
    area = auc(p, weights)
    return {
        "base_rate": float(np.average(p, weights=weights)),
        "log_loss": log_loss(p, weights),
        "auc": area if np.isfinite(area) else None,
    }


def of_bars(frame: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    """`figures` of each oracle column of a simulated series, under its name without the prefix."""
    columns = [name for name in frame.columns if name.startswith(ORACLE_PREFIX)]
    return {c.removeprefix(ORACLE_PREFIX): figures(frame[c].to_numpy()) for c in columns}
