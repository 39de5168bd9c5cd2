"""From what drives each day to its bar: one log-price path, with its exact highs and lows.

Within day t the log-price is a Brownian motion of volatility s_t with some drift, so the day's log
return is x_t = m_t + s_t e_t. High and low are drawn from their exact laws given the day's open and
close, the extremes of a Brownian bridge, on which the drift has no influence:
M = (x + sqrt(x^2 - 2 s^2 ln U)) / 2 (Glasserman 2004, 6.4). Each is exact, their dependence on one
another is not modelled. A day opens at the close of the day before, so the highs of a horizon
cover its whole path. Volume is noise, unless a market replaces it.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from mlxts.data.sources.base import as_bars

FIRST_PRICE = 100.0
VOLUME = 1e7  # median, shares a day
VOLUME_SPREAD = 0.3  # deviation of its logarithm


@dataclass(frozen=True)
class Noise:
    """Independent streams of one path; the beginning of each does not depend on its length."""

    hidden: np.random.Generator  # what drives the market: states, patterns, features
    shock: np.ndarray  # (n,) standard normal, of the day's return
    top: np.ndarray  # (n,) in (0, 1], of the day's high
    bottom: np.ndarray  # (n,) in (0, 1], of the day's low
    trade: np.ndarray  # (n,) standard normal, of the day's volume


def noise(n: int, *, seed: int, stream: int) -> Noise:
    """The streams of the path that `seed` and `stream` name, for n days."""
    hidden, shock, top, bottom, trade = (
        np.random.default_rng(s) for s in np.random.SeedSequence((seed, stream)).spawn(5)
    )
    # 1 - random() lies in (0, 1], where the logarithm is finite.
    return Noise(
        hidden=hidden,
        shock=shock.standard_normal(n),
        top=1 - top.random(n),
        bottom=1 - bottom.random(n),
        trade=trade.standard_normal(n),
    )


@dataclass(frozen=True)
class Moves:
    """Log prices of each day, from its open: (n,) each."""

    close: np.ndarray
    high: np.ndarray  # at least max(close, 0)
    low: np.ndarray  # at most min(close, 0)


def moves(drift: np.ndarray | float, volatility: np.ndarray | float, draws: Noise) -> Moves:
    """The days' log returns and extremes; `drift` and `volatility` in log price a day."""
    x = drift + volatility * draws.shock
    reach = -2 * np.square(volatility)
    return Moves(
        close=x,
        high=(x + np.sqrt(x**2 + reach * np.log(draws.top))) / 2,
        low=(x - np.sqrt(x**2 + reach * np.log(draws.bottom))) / 2,
    )


def bars(days: list[date], moved: Moves, trade: np.ndarray) -> pl.DataFrame:
    """Bars of the schema, from 100 on. `trade`: (n,) deviations of the log of volume."""
    close = FIRST_PRICE * np.exp(np.cumsum(moved.close))
    opened = np.concatenate([[FIRST_PRICE], close[:-1]])
    frame = pl.DataFrame(
        {
            "date": pl.Series(days, dtype=pl.Date),
            "open": opened,
            # Rounding may leave an extreme a hair inside the bar that it bounds.
            "high": np.maximum(opened * np.exp(moved.high), np.maximum(opened, close)),
            "low": np.minimum(opened * np.exp(moved.low), np.minimum(opened, close)),
            "close": close,
            "volume": np.round(VOLUME * np.exp(VOLUME_SPREAD * trade)),
        }
    )
    return as_bars(frame)
