"""The same features without a window: what the decision bar alone shows.

Boosted trees (scikit-learn) on the F features of the decision bar, with modest settings that need
no choice (a random holdout would share days with its training samples). `linear.py` has the linear
model of the same features, which stands beside every score.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from mlxts.baselines.base import Forecast
from mlxts.dataset.samples import Dataset
from mlxts.losses import prior_logit

_TREES = {
    "learning_rate": 0.05,
    "max_iter": 150,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "early_stopping": False,
    "random_state": 0,
}


@dataclass(frozen=True)
class Trees:
    """Gradient-boosted trees on histograms."""

    name: str = "boosting"

    def fit(self, dataset: Dataset) -> Forecast:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        inputs, targets = _train(dataset)
        if not dataset.task.binary:
            regressor = HistGradientBoostingRegressor(**_TREES).fit(inputs, targets)
            return lambda samples: regressor.predict(dataset.features[samples.rows])
        if targets.min() == targets.max():
            return _constant(prior_logit(targets))
        trees = HistGradientBoostingClassifier(**_TREES).fit(inputs, targets > 0.5)
        return lambda samples: trees.decision_function(dataset.features[samples.rows])


def _train(dataset: Dataset) -> tuple[Float32[np.ndarray, "n F"], Float64[np.ndarray, " n"]]:
    train = dataset.samples["train"]
    return dataset.features[train.rows], train.targets.astype(np.float64)


def _constant(value: float) -> Forecast:
    return lambda samples: np.full(len(samples), value)
