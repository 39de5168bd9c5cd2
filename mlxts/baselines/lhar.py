"""HAR and what it lacks: the leverage effect, and from column c of the matrix on the VIX.

After a fall volatility is higher than past ranges suggest (Corsi and Renò 2012, LHAR), and options
know of days to come. The inputs are HAR's logs of ranges, the returns over 1 and 5 days in units of
the usual range, and the place of the close in its day's range, and where the data hold the VIX its
logarithm, as it was known on that day. Days from before the VIX have a regression of their own,
without it.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float64

from mlxts.baselines import har
from mlxts.baselines.base import Forecast
from mlxts.data.exogenous_catalog import SERIES
from mlxts.dataset.samples import Dataset, with_train
from mlxts.protocol import BASELINE, HAR_WINDOWS

RETURN_DAYS = (1, 5)
_USUAL_DAYS = max(HAR_WINDOWS)
VIX = SERIES["VIX"].column  # of the daily bars: its logarithm
_CLIP = 10.0  # training deviations: no input is longer than this


@dataclass(frozen=True)
class LeverageHAR:
    """Logistic, for regression linear, regression of one asset."""

    name: str = "lhar"

    def fit(self, dataset: Dataset) -> Forecast:
        forecasts = _regression(dataset, _inputs(dataset))
        if VIX in dataset.daily.columns:
            log_vix = dataset.daily[VIX].cast(pl.Float64).fill_null(np.nan).to_numpy()
            has_vix = np.isfinite(log_vix)
            later = with_train(dataset, has_vix[dataset.samples["train"].daily_rows])
            if not har.obstacle(later):
                with_vix = np.column_stack([_inputs(later), np.where(has_vix, log_vix, 0.0)])
                forecasts = np.where(has_vix, _regression(later, with_vix), forecasts)
        return lambda samples: forecasts[samples.daily_rows]


def leverage(bars: pl.DataFrame) -> Float64[np.ndarray, "{bars.height} 3"]:
    """Signed returns, and where in its day's range the close lies; 0 where there is no range.

    Returns:
        Log returns over d = 1 and 5 days in units of sqrt(d) times the mean log range of 22 days (a
        fall of 1 % is another thing in a calm month than in a crash), 0 where they are not known;
        the place of the close, 1 at the high, -1 at the low, in logs.
    """
    high, low, close = (pl.col(name).log() for name in ("high", "low", "close"))
    usual = (high - low).rolling_mean(_USUAL_DAYS, min_samples=1).over("symbol")
    returns = [
        _ratio(close.diff(days).over("symbol").fill_null(0.0), usual * days**0.5)
        for days in RETURN_DAYS
    ]
    columns = [*returns, _ratio(2.0 * close - high - low, high - low)]
    return bars.select(column.alias(str(n)) for n, column in enumerate(columns)).to_numpy()


def _ratio(value: pl.Expr, scale: pl.Expr) -> pl.Expr:
    return pl.when(scale > har.RESOLUTION).then(value / scale).otherwise(0.0)


def _inputs(dataset: Dataset) -> Float64[np.ndarray, "days k"]:
    """Of each daily bar: HAR's logs and `leverage`."""
    ranges = har.MEASURES[BASELINE](dataset.daily)
    floors = har.floor(ranges[dataset.samples["train"].daily_rows])
    return np.hstack([har.log_scale(ranges, floors), leverage(dataset.daily)])


def _regression(
    dataset: Dataset, inputs: Float64[np.ndarray, "days k"]
) -> Float64[np.ndarray, " days"]:
    """Fit on the training samples; the forecast of each daily bar."""
    train = dataset.samples["train"]
    learned = inputs[train.daily_rows]
    center, spread = learned.mean(axis=0), learned.std(axis=0)
    spread[spread <= har.CONSTANT] = np.inf
    standard = np.clip((inputs - center) / spread, -_CLIP, _CLIP)
    weights, bias = har.regress(standard[train.daily_rows], train.targets, dataset.task)
    # Row by row: a matrix product's last bits depend on how many rows there are.
    return (standard * weights).sum(axis=1) + bias
