"""A random walk's own answer: closed forms that need nothing but today's volatility.

Log prices as a Brownian motion with drift: the touch of a barrier by the reflection principle, the
direction by one normal probability, the return by the drift, the range by the mean of its
logarithm. Volatility is that of RiskMetrics'
EWMA or of a GARCH(1,1), whose parameters `arch` fits by maximum likelihood to the training years
of each symbol; later bars only move the filter on. Nothing is calibrated afterwards, so what these
forecasts miss is what a market has besides a random walk of changing volatility.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64, Integer
from scipy.signal import lfilter
from scipy.special import log_ndtr, logit, ndtr, zeta

from mlxts.baselines.base import Forecast
from mlxts.baselines.har import DECAY
from mlxts.dataset.labels import log_barrier
from mlxts.dataset.samples import Dataset, Samples

_SCALE = 100.0  # returns in percent, as `arch` asks for
# Mean log of the range of a Brownian motion over a unit of time: the derivative at p = 0 of the log
# of E[range^p] (Parkinson 1980; Alizadeh, Brandt, Diebold 2002).
LOG_RANGE = 0.42567
_OVERSHOOT = float(-zeta(0.5) / np.sqrt(2.0 * np.pi))  # 0.5826, of a Gaussian walk over a barrier


class VolatilityFilter(NamedTuple):
    """One symbol's daily log returns, as known before each day; variance is in squared percent.

    The variance of the next day is omega + alpha r^2 + beta * (variance of this day).
    """

    drift: float  # mean log return a day
    omega: float
    alpha: float
    beta: float
    first: float  # variance before the first day


@dataclass(frozen=True)
class RandomWalkBaseline:
    """A random walk with the volatility model `volatility`."""

    name: str
    volatility: Literal["ewma", "garch"]

    def fit(self, dataset: Dataset) -> Forecast:
        train = dataset.samples["train"]
        prior = 0.5 / len(train)  # no event is surer than the training samples could show
        drift = np.zeros(dataset.daily.height)
        deviation = np.zeros(dataset.daily.height)
        horizon = dataset.horizon
        days = {
            symbol: (rows, _returns(dataset.daily, rows))
            for symbol, rows in _rows_by_symbol(dataset.daily).items()
        }
        fits = {
            str(symbol): _fit_filter(
                returns[_training_days(dataset, train, symbol, rows)], self.volatility
            )
            for symbol in np.unique(train.symbols)
            for rows, returns in [days[str(symbol)]]
        }
        default_filter = next(iter(fits.values()))  # for a symbol that has no training samples
        for symbol, (rows, returns) in days.items():
            fitted = fits.get(symbol, default_filter)
            drift[rows] = fitted.drift
            deviation[rows] = np.sqrt(_mean_variance(fitted, returns, horizon)) / _SCALE
        total = np.sqrt(horizon) * np.maximum(deviation, 1e-9)
        task = dataset.task
        if task.kind == "regression":
            forecasts = horizon * drift
        elif task.kind == "range":
            forecasts = np.log(total) + LOG_RANGE
        elif task.threshold is None:
            forecasts = logit(ndtr(horizon * drift / total).clip(prior, 1.0 - prior))
        else:
            step = 1.0 if _only_closes(dataset.daily, train) else 0.0
            barrier = _barrier(dataset)
            touched = touch(barrier, horizon * drift, total, step=step / horizon)
            forecasts = logit(touched.clip(prior, 1.0 - prior))
        return lambda samples: forecasts[samples.daily_rows]


def _barrier(dataset: Dataset) -> float | Float64[np.ndarray, " rows"]:
    """Of each day, log price above its close."""
    threshold = dataset.task.threshold
    if threshold is not None and not dataset.task.of_range:
        return float(np.log1p(threshold))
    return dataset.daily.select(log_barrier(dataset.task).over("symbol")).to_series().to_numpy()


def touch(
    barrier: float | Float64[np.ndarray, " n"],
    drift: Float64[np.ndarray, " n"],
    deviation: Float64[np.ndarray, " n"],
    *,
    step: float = 0.0,
) -> Float64[np.ndarray, " n"]:
    """P(a Brownian motion reaches `barrier` > 0), by the reflection principle.

    Args:
        barrier: log price above the start.
        drift, deviation: of the log price over the whole horizon.
        step: 0 where the path is watched all the time, as a bar's high is; else the part of the
            horizon between two observations. The barrier then moves out by 0.5826 deviations of a
            step (Broadie, Glasserman, Kou 1997): good from some ten on, at five a tenth too low;
            one, at the end, is exact.
    """
    if step == 1.0:
        return ndtr((drift - barrier) / deviation)
    shifted = barrier + _OVERSHOOT * deviation * np.sqrt(step)
    beyond = ndtr((drift - shifted) / deviation)
    # In logarithms: the factor overflows where the probability that it meets underflows.
    returned = 2.0 * drift * shifted / deviation**2 + log_ndtr((-shifted - drift) / deviation)
    return np.minimum(beyond + np.exp(np.minimum(returned, 0.0)), 1.0)


def _rows_by_symbol(bars: pl.DataFrame) -> dict[str, Integer[np.ndarray, " days"]]:
    names = bars["symbol"].to_numpy()
    return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}


def _returns(
    bars: pl.DataFrame, rows: Integer[np.ndarray, " days"]
) -> Float64[np.ndarray, " days"]:
    """Daily log returns in percent, 0 on a symbol's first day."""
    close = np.log(bars["close"].to_numpy()[rows])
    return _SCALE * np.diff(close, prepend=close[0])


def _training_days(
    dataset: Dataset, train: Samples, symbol: str, rows: Integer[np.ndarray, " days"]
) -> Bool[np.ndarray, " days"]:
    """From a symbol's first training decision to its last."""
    training_dates = train.dates[train.symbols == symbol]
    days = dataset.daily["date"].to_numpy().astype("datetime64[D]")[rows]
    return (days >= training_dates.min()) & (days <= training_dates.max())


def _fit_filter(
    returns: Float64[np.ndarray, " days"], kind: Literal["ewma", "garch"]
) -> VolatilityFilter:
    drift, variance = float(returns.mean()) / _SCALE, float(returns.var())
    if kind == "ewma" or variance == 0.0:
        return VolatilityFilter(drift, 0.0, 1.0 - DECAY, DECAY, variance)
    from arch import arch_model

    garch = arch_model(returns, mean="Constant", vol="GARCH", p=1, q=1, rescale=False).fit(
        disp="off", show_warning=False
    )
    mu, omega, alpha, beta = (float(garch.params[name]) for name in _PARAMETERS)
    return VolatilityFilter(mu / _SCALE, omega, alpha, beta, variance)


_PARAMETERS = ("mu", "omega", "alpha[1]", "beta[1]")


def _mean_variance(
    fitted: VolatilityFilter, returns: Float64[np.ndarray, " days"], horizon: int
) -> Float64[np.ndarray, " days"]:
    """Expected variance a day over the `horizon` days after each day."""
    shocks = (returns - _SCALE * fitted.drift) ** 2
    shocks[0] = fitted.first  # there is no return on the first day
    driven = fitted.omega + fitted.alpha * shocks
    tomorrow, _ = lfilter(
        [1.0],
        [1.0, -fitted.beta],
        driven,
        zi=[fitted.beta * fitted.first],
    )
    persistence = fitted.alpha + fitted.beta
    if persistence >= 1.0 - 1e-9:
        days = np.arange(horizon)
        return tomorrow + fitted.omega * days.mean()
    resting = fitted.omega / (1.0 - persistence)
    return resting + (tomorrow - resting) * (persistence ** np.arange(horizon)).mean()


def _only_closes(bars: pl.DataFrame, train: Samples) -> bool:
    """Whether highs show no more than opens and closes: the path was watched once a day."""
    seen = bars[np.unique(train.daily_rows)]
    return bool((seen["high"] <= seen.select(pl.max_horizontal("open", "close")).to_series()).all())
