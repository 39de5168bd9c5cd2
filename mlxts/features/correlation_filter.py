"""Redundant and constant features: linear and rank correlations, and the share of one value."""

import numpy as np
import polars as pl
from scipy.stats import rankdata

THRESHOLD = 0.99  # more than this in Pearson's or Spearman's correlation is a near-duplicate


def correlation(matrix: np.ndarray) -> np.ndarray:
    """Larger of |Pearson| and |Spearman| of every two columns.

    Args:
        matrix: (rows, F) without NaN.

    Returns:
        (F, F) float32; 0 where a column is constant.
    """
    linear = _absolute_pearson(matrix)
    return np.maximum(linear, _absolute_pearson(rankdata(matrix, axis=0)), out=linear)


def complete_rows(features: pl.DataFrame) -> np.ndarray:
    """The bars of one symbol on which every feature is past its warm-up: (rows, F) float64."""
    columns = features.drop("date", "symbol")
    begin = max(column.null_count() for column in columns)
    return columns.slice(begin).to_numpy().astype(np.float64)


def most_common(column: pl.Series) -> float:
    """Share of a feature's values that the most common one has."""
    values = column.drop_nulls()
    counts = values.value_counts()["count"].to_numpy()
    return float(counts.max(initial=0)) / max(1, len(values))


def _absolute_pearson(matrix: np.ndarray) -> np.ndarray:
    centred = matrix - matrix.mean(axis=0)
    length = np.sqrt(np.square(centred).sum(axis=0))
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    unit = unit.astype(np.float32)
    return np.abs(unit.T @ unit)
