"""The same features without a window: what the decision bar alone shows.

Logistic regression and boosted trees (scikit-learn) on the F features of the decision bar. The
penalty of the regression is chosen on the training years, each fold scored on the years after it
with the days between left out that their labels share; trees keep to modest settings that need no
choice (a random holdout would share days with its training samples).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlxts.dataset import Dataset
from mlxts.evaluation.baselines import Fitted
from mlxts.model.scale import prior_logit

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # inverse strengths of the logistic regression
_RIDGES = tuple(1.0 / penalty for penalty in PENALTIES)
_FOLDS = 4
_CLIP = 10.0  # training deviations: no feature is longer than this
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
class Linear:
    """Logistic regression, for regression ridge, on standardised features."""

    name: str = "logistic"

    def fit(self, dataset: Dataset) -> Fitted:
        from sklearn.linear_model import LogisticRegression, RidgeCV
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, StandardScaler

        inputs, targets = _train(dataset)
        if dataset.task.kind != "regression" and targets.min() == targets.max():
            return _constant(prior_logit(targets))
        prepare = (StandardScaler(), FunctionTransformer(_clipped))
        folds = _folds(dataset)
        if dataset.task.kind == "regression":
            ridge = make_pipeline(*prepare, RidgeCV(_RIDGES, cv=folds))
            ridge.fit(inputs, targets)
            return lambda samples: ridge.predict(dataset.features[samples.rows])
        folds = [(a, b) for a, b in folds if 0.0 < targets[a].mean() < 1.0]
        logistic: Any = make_pipeline(*prepare, LogisticRegression(C=PENALTIES[0], max_iter=500))
        if folds:
            grid = {"logisticregression__C": PENALTIES}
            logistic = GridSearchCV(logistic, grid, cv=folds, scoring=_log_score)
        logistic.fit(inputs, targets > 0.5)
        return lambda samples: logistic.decision_function(dataset.features[samples.rows])


@dataclass(frozen=True)
class Trees:
    """Gradient-boosted trees on histograms."""

    name: str = "boosting"

    def fit(self, dataset: Dataset) -> Fitted:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        inputs, targets = _train(dataset)
        if dataset.task.kind == "regression":
            regressor = HistGradientBoostingRegressor(**_TREES).fit(inputs, targets)
            return lambda samples: regressor.predict(dataset.features[samples.rows])
        if targets.min() == targets.max():
            return _constant(prior_logit(targets))
        trees = HistGradientBoostingClassifier(**_TREES).fit(inputs, targets > 0.5)
        return lambda samples: trees.decision_function(dataset.features[samples.rows])


LEARNERS = (Linear(), Trees())


def _train(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    train = dataset.samples["train"]
    return dataset.features[train.rows], train.targets.astype(np.float64)


def _constant(value: float) -> Fitted:
    return lambda samples: np.full(len(samples), value)


def _clipped(standardised: np.ndarray) -> np.ndarray:
    return np.clip(standardised, -_CLIP, _CLIP)


def _log_score(model: Any, inputs: np.ndarray, targets: np.ndarray) -> float:
    """Mean log likelihood of labels that are True or False."""
    signed = np.where(targets, 1.0, -1.0) * model.decision_function(inputs)
    return -float(np.logaddexp(0.0, -signed).mean())


def _folds(dataset: Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
    """Expanding windows over the training dates; labels of the first part end before the second."""
    train = dataset.samples["train"]
    borders = np.quantile(
        train.dates.astype(np.int64), np.arange(1, _FOLDS + 1) / (_FOLDS + 1)
    ).astype("datetime64[D]")
    ends = [*borders[1:], train.dates.max() + 1]
    folds = [
        (
            np.flatnonzero(train.label_end < begin),
            np.flatnonzero((train.dates >= begin) & (train.dates < end)),
        )
        for begin, end in zip(borders, ends, strict=True)
    ]
    return [(learned, scored) for learned, scored in folds if len(learned) and len(scored)]
