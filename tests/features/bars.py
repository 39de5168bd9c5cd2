"""Price paths for the tests of the features: simulated, with all that real bars do to formulas."""

from datetime import date, timedelta

import numpy as np
import polars as pl


def path(rows: int, seed: int, *, flat: float = 0.05, symbol: str = "AAA") -> pl.DataFrame:
    """Bars of clustered volatility; some are flat, stand still, trade nothing or repeat a price.

    Args:
        flat: share of the bars in stretches without any movement.
    """
    rng = np.random.default_rng(seed)
    level = np.exp(np.cumsum(rng.normal(0.0, 0.1, rows)) * 0.3) * 0.01
    moves = level * rng.standard_t(4, rows)
    still = np.zeros(rows, dtype=bool)
    for start in rng.integers(0, rows, int(flat * rows / 4) + 1):
        still[start : start + rng.integers(1, 8)] = flat > 0
    moves[still] = 0.0
    close = 50.0 * np.exp(np.cumsum(moves))
    before = np.concatenate([[close[0]], close[:-1]])
    opened = np.where(still, close, before * np.exp(level * 0.3 * rng.normal(size=rows)))
    reach = level * np.abs(rng.normal(size=(2, rows))) * ~still
    high = np.maximum(opened, close) * np.exp(reach[0])
    low = np.minimum(opened, close) * np.exp(-reach[1])
    volume = np.round(np.exp(rng.normal(13.0, 0.6, rows)))
    volume[still & (rng.random(rows) < 0.5)] = 0.0
    return frame(opened, high, low, close, volume, symbol=symbol)


def frame(
    opened: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    volume: np.ndarray,
    *,
    symbol: str = "AAA",
) -> pl.DataFrame:
    """Bars on consecutive weekdays."""
    weeks, days = np.divmod(np.arange(len(close)), 5)
    dates = [
        date(1990, 1, 1) + timedelta(days=int(7 * w + d)) for w, d in zip(weeks, days, strict=True)
    ]
    return pl.DataFrame(
        {
            "date": dates,
            "symbol": [symbol] * len(dates),
            "open": opened,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
        }
    )
