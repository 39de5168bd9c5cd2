"""Boosted trees over each asset's HAR: what a learner without a window finds in the same inputs.

They read what `linear.py` reads, HAR's logs and the network's own features at the decision bar, and
HAR's forecast, and are pooled over the assets as a network is. HAR is each asset's own, so that a
pooled learner need not guess whose days these are; on training rows it is read out of fold, since
trees learn how far to trust it. A logit is one more input (scikit-learn's trees start from no other
model); of numbers the residual is learned, which is to start from HAR.

The settings are modest and fixed: with more trees one asset alone is overfitted, with fewer the
pooled ones learn less.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64

from mlxts.baselines import har, out_of_fold
from mlxts.baselines.base import Forecast
from mlxts.baselines.base_rate import BaseRate
from mlxts.baselines.har import ScaleModel
from mlxts.baselines.out_of_fold import CrossFitted
from mlxts.dataset.samples import Dataset, Samples, of_symbol, subset, with_own_days
from mlxts.protocol import BASELINE

_SETTINGS = {
    "learning_rate": 0.05,
    "max_iter": 100,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "early_stopping": False,
    "random_state": 0,
}
_NUMBERS = 30_000_000  # samples x inputs that are learned from; of more every k-th sample


@dataclass(frozen=True)
class Trees:
    """Gradient-boosted trees on histograms (Friedman 2001, Ke and others 2017)."""

    name: str = "trees"

    def fit(self, dataset: Dataset) -> Forecast:
        """Learn from the samples that a network learns from; where HAR cannot, their base rate."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        if out_of_fold.obstacle(dataset):
            return BaseRate().fit(dataset)
        har_forecast, train = reference(dataset), dataset.samples["train"]
        ranges = har.MEASURES[BASELINE](dataset.daily)
        floors = har.floor(ranges[train.daily_rows])

        def inputs(samples: Samples) -> Float64[np.ndarray, "{len(samples)} k"]:
            logs = har.log_scale(ranges[samples.daily_rows], floors)
            return np.column_stack([har_forecast(samples), logs, dataset.features[samples.rows]])

        pooled = dataset.learned("train")
        step = math.ceil(len(pooled) * len(dataset.names) / _NUMBERS)
        learned = subset(pooled, np.arange(0, len(pooled), step))
        train_inputs, targets = inputs(learned), learned.targets.astype(np.float64)
        if not dataset.task.binary:
            regressor = HistGradientBoostingRegressor(**_SETTINGS).fit(
                train_inputs, targets - train_inputs[:, 0]
            )
            return _forecast(
                lambda samples: har_forecast(samples) + regressor.predict(inputs(samples))
            )
        classifier = HistGradientBoostingClassifier(**_SETTINGS).fit(train_inputs, targets > 0.5)
        return _forecast(lambda samples: classifier.decision_function(inputs(samples)))


def _forecast(predict: Forecast) -> Forecast:
    """Of no samples too, which scikit-learn refuses."""
    return lambda samples: predict(samples) if len(samples) else np.empty(0)


def reference(dataset: Dataset) -> Callable[[Samples], Float64[np.ndarray, " n"]]:
    """HAR of each asset, out of fold on its training days; that of all assets where its own history
    is too short for that."""
    ranges = har.MEASURES[BASELINE](dataset.daily)

    @cache
    def pooled() -> CrossFitted[ScaleModel]:
        return out_of_fold.fit(dataset, lambda data: har.fit(data, BASELINE))

    @cache
    def of(symbol: str) -> CrossFitted[ScaleModel]:
        symbol_data = with_own_days(of_symbol(dataset, symbol))
        if out_of_fold.obstacle(symbol_data):
            return pooled()
        return out_of_fold.fit(symbol_data, lambda data: har.fit(data, BASELINE))

    def forecast(samples: Samples) -> Float64[np.ndarray, " n"]:
        forecasts = np.empty(len(samples))
        for symbol in np.unique(samples.symbols):
            of_this_symbol = samples.symbols == symbol
            measures = ranges[samples.daily_rows[of_this_symbol]]
            forecasts[of_this_symbol] = of(str(symbol)).forecast(
                samples.dates[of_this_symbol], lambda model, chosen, of=measures: model(of[chosen])
            )
        return forecasts

    return forecast
