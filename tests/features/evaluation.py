"""A quantity's own float64 values, for comparing formulas to the last digits."""

import numpy as np
import polars as pl

from mlxts.features.feature import closure
from mlxts.features.quantity import Quantity


def evaluate(bars: pl.DataFrame, quantity: Quantity) -> np.ndarray:
    """Values of shape (T,), NaN in the warm-up."""
    lazy = bars.lazy()
    for column, _ in sorted(closure([quantity]).items(), key=lambda item: item[1]):
        lazy = lazy.with_columns(column.quantity.expr.alias(column.name))
    return lazy.select(quantity.expr).collect(engine="in-memory").to_series().to_numpy()
