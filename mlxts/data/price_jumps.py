"""Which overnight jumps of a price look like a split that the prices were not adjusted for.

A split multiplies the number of shares and divides their price, so the jump is a ratio of small
whole numbers, the bar before and the bar after are ordinary ones, and as much money changes hands
as the days before. News of that size moves the price within the day too, and the turnover.
"""

from fractions import Fraction

import numpy as np
import polars as pl

RATIOS = (Fraction(3, 2), *(Fraction(n) for n in range(2, 21)))  # new shares for an old one
_BOTH_WAYS = (*RATIOS, *(1 / ratio for ratio in RATIOS))

_LEAST = 0.2  # a recorded split by less than this may hide in an ordinary night
_OPEN = 0.3  # of the split's log ratio: how far the open may be from what the split foretells
_RANGE = 0.5  # of it: the log range of the day
_MARGIN = 0.02  # by which the predicted price may lie outside the day's range
_DAYS = 20  # before it, whose median turnover is the usual one
_TURNOVER = 4.0  # times the usual one is ordinary still,
_TURNOVER_OF_3_TO_2 = 2.25  # but less where news moves prices as far


def splits(bars: pl.DataFrame) -> list[Fraction | None]:
    """For each bar the split (new shares for an old one) that its prices seem to lack.

    Args:
        bars: open, high, low, close, adj_close (may be null), volume, splits (0: none recorded);
            all finite, prices above 0; oldest first.

    Returns:
        A split that is recorded, or one of RATIOS or its reverse; None almost everywhere.
    """
    factor = (pl.col("adj_close") / pl.col("close")).fill_null(1.0)
    opens, highs, lows, closes = bars.select(
        (pl.col(name) * factor).log() for name in ("open", "high", "low", "close")
    ).to_numpy().T  # fmt: skip
    before = np.r_[np.nan, closes[:-1]]
    recorded = bars["splits"].to_numpy()
    ratios = np.log([float(ratio) for ratio in _BOTH_WAYS])
    nearest = np.abs((before - opens)[:, None] - ratios).argmin(axis=1)
    is_recorded = (recorded > 0) & (np.abs(np.log(np.where(recorded > 0, recorded, 1.0))) > _LEAST)
    size = np.where(is_recorded, np.log(np.where(is_recorded, recorded, 1.0)), ratios[nearest])
    foretold = before - size
    fits = (
        (np.abs(opens - foretold) <= _OPEN * np.abs(size))
        & (highs - lows <= _RANGE * np.abs(size))
        & (lows - _MARGIN <= foretold)
        & (foretold <= highs + _MARGIN)
    )
    small = np.abs(size) < np.log(2) - 1e-9
    ordinary = _turnover(bars) <= np.where(small, _TURNOVER_OF_3_TO_2, _TURNOVER)
    split_ratios: list[Fraction | None] = [None] * bars.height
    for row in np.flatnonzero(fits & (is_recorded | ordinary)):
        exact = Fraction(float(recorded[row])).limit_denominator(1000)
        split_ratios[row] = exact if is_recorded[row] else _BOTH_WAYS[nearest[row]]
    return split_ratios


def _turnover(bars: pl.DataFrame) -> np.ndarray:
    """(n,) money that changed hands, by its median of the days before; 0 where that is 0."""
    money = pl.col("close") * pl.col("volume")
    usual = money.rolling_median(_DAYS, min_samples=1).shift(1)
    return bars.select(pl.when(usual > 0).then(money / usual).otherwise(0.0)).to_series().to_numpy()
