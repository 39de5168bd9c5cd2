"""Features do not know the unit of price, nor that of volume."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.features import catalog, engine
from tests.features.bars import path

NAMES = list(catalog.by_name())


def _scaled(bars: pl.DataFrame, price: float, volume: float) -> pl.DataFrame:
    prices = [pl.col(name) * price for name in ("open", "high", "low", "close")]
    return bars.with_columns(*prices, pl.col("volume") * volume)


def _matrix(bars: pl.DataFrame) -> np.ndarray:
    return engine.build(bars.lazy(), NAMES).drop("date", "symbol").to_numpy()


@settings(max_examples=3, deadline=None)
@given(
    seed=st.integers(0, 50),
    flat=st.sampled_from([0.0, 0.1]),
    price=st.floats(1e-3, 1e3),
    volume=st.floats(1e-2, 1e2),
)
def test_a_factor_on_prices_or_volume_changes_nothing_beyond_rounding(
    seed: int, flat: float, price: float, volume: float
) -> None:
    bars = path(360, seed, flat=flat)
    before, after = _matrix(bars), _matrix(_scaled(bars, price, volume))
    gap = np.nan_to_num(np.abs(after - before))
    allowed = 1e-4 * np.nanstd(before, axis=0) + 1e-5 * np.nan_to_num(np.abs(before)) + 1e-6
    assert [name for name, far in zip(NAMES, (gap > allowed).any(axis=0), strict=True) if far] == []
