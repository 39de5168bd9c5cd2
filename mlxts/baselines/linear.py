"""The strongest cheap model: ridge regression on HAR's log ranges and the network's own features.

It reads the decision bar alone: no window, no order of days. What a network on the same features
does not add to it needs no network. Inputs are standardised on the rows that it learns from and
clipped; the penalty (squared weights, Hoerl and Kennard 1970; on a logit le Cessie and van
Houwelingen 1992) is the one with the lowest loss in `cross_validation.py`, walked from the
strongest on, so that with thousands of features the weak ones are never fitted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from mlxts.baselines import cross_validation, har
from mlxts.baselines.base import Forecast
from mlxts.dataset.samples import Dataset, Samples
from mlxts.losses import sample_losses
from mlxts.protocol import BASELINE, LINEAR

# Inputs -> logits or numbers.
Predict = Callable[[Float64[np.ndarray, "n k"]], Float64[np.ndarray, " n"]]

# Inverse strengths, strongest first: of the summed nats; of a number of the summed squares.
PENALTIES = tuple(float(c) for c in np.geomspace(1e-6, 1.0, 13))
_RISES = 2  # losses in a row above the lowest, after which weaker penalties are not tried
_CLIP = 10.0  # training deviations: no input is longer than this
_CONSTANT = 1e-7  # deviation of float32 features that differ by rounding alone


@dataclass(frozen=True)
class FittedLinear:
    """A fitted regression.

    Attributes:
        forecast: of samples of the data set. penalty: the chosen one of `PENALTIES`.
        loss: of the chosen penalty in cross-validation, as of `cross_validation.loss`; None where
            no fold could be learned from.
    """

    forecast: Forecast
    penalty: float
    loss: float | None

    def __call__(self, samples: Samples) -> Float64[np.ndarray, " {len(samples)}"]:
        return self.forecast(samples)


@dataclass(frozen=True)
class Linear:
    """Logistic, of a number linear, ridge regression of one asset."""

    name: str = LINEAR

    def fit(self, dataset: Dataset) -> FittedLinear:
        """Choose the penalty on the training samples of one symbol and fit with it on all."""
        inputs, train = _inputs(dataset), dataset.samples["train"]
        learned = inputs(train)
        penalty, loss = _choose(dataset, learned)
        predict = _paths(dataset)(learned, train.targets).at(penalty)
        return FittedLinear(lambda samples: predict(inputs(samples)), penalty, loss)


def _inputs(dataset: Dataset) -> Callable[[Samples], Float64[np.ndarray, "n k"]]:
    """Of samples, k = 3 + F: HAR's logs and the features of their decision bars.

    What has no logarithm is the calmest training day's.
    """
    ranges = har.MEASURES[BASELINE](dataset.daily)
    floors = har.floor(ranges[dataset.samples["train"].daily_rows])

    def of(samples: Samples) -> Float64[np.ndarray, "{len(samples)} k"]:
        logs = har.log_scale(ranges[samples.daily_rows], floors)
        return np.hstack([logs, dataset.features[samples.rows].astype(np.float64)])

    return of


class _Logits:
    """Logistic regressions on the same rows, each starting from the weights of the one before."""

    def __init__(
        self, inputs: Float64[np.ndarray, "n k"], targets: Float[np.ndarray, " n"]
    ) -> None:
        from sklearn.linear_model import LogisticRegression

        self._standard = _Standard(inputs)
        self._inputs, self._targets = self._standard(inputs), targets > 0.5
        self._model: Any = LogisticRegression(max_iter=2000, warm_start=True)

    def at(self, penalty: float) -> Predict:
        self._model.set_params(C=penalty).fit(self._inputs, self._targets)
        return _line(self._standard, self._model.coef_[0].copy(), self._model.intercept_[0])


class _Numbers:
    """Linear regressions on the same rows with every penalty, solved at once."""

    def __init__(
        self, inputs: Float64[np.ndarray, "n k"], targets: Float[np.ndarray, " n"]
    ) -> None:
        from sklearn.linear_model import Ridge

        self._standard = _Standard(inputs)
        each = np.repeat(targets.astype(np.float64)[:, None], len(PENALTIES), axis=1)
        ridge: Any = Ridge(alpha=1.0 / np.array(PENALTIES), solver="cholesky")
        self._model = ridge.fit(self._standard(inputs), each)

    def at(self, penalty: float) -> Predict:
        column = PENALTIES.index(penalty)
        return _line(self._standard, self._model.coef_[column], self._model.intercept_[column])


class _Standard:
    """Inputs in deviations of the rows that were learned from, clipped."""

    def __init__(self, learned: Float64[np.ndarray, "n k"]) -> None:
        self._center, self._spread = learned.mean(axis=0), learned.std(axis=0)
        self._spread[self._spread <= _CONSTANT * (1.0 + np.abs(self._center))] = np.inf

    def __call__(self, inputs: Float64[np.ndarray, "n k"]) -> Float64[np.ndarray, "n k"]:
        return np.clip((inputs - self._center) / self._spread, -_CLIP, _CLIP)


def _line(standard: _Standard, weights: Float64[np.ndarray, " k"], bias: float) -> Predict:
    # Row by row: a matrix product's last bits depend on how many rows there are.
    return lambda inputs: (standard(inputs) * weights).sum(axis=1) + bias


def _paths(dataset: Dataset) -> type[_Logits] | type[_Numbers]:
    return _Logits if dataset.task.binary else _Numbers


def _choose(dataset: Dataset, inputs: Float64[np.ndarray, "n k"]) -> tuple[float, float | None]:
    """The penalty with the lowest mean loss over the folds, and that loss.

    Args:
        inputs: of the training samples.
    """
    targets, task = dataset.samples["train"].targets, dataset.task
    folds = cross_validation.teaching(dataset)
    paths = [_paths(dataset)(inputs[learned], targets[learned]) for learned, _ in folds]
    best, lowest, rises = PENALTIES[0], None, 0
    for penalty in PENALTIES if folds else ():
        loss = float(
            np.concatenate(
                [
                    sample_losses(path.at(penalty)(inputs[scored]), targets[scored], task)
                    for path, (_, scored) in zip(paths, folds, strict=True)
                ]
            ).mean()
        )
        if lowest is None or loss < lowest:
            best, lowest, rises = penalty, loss, 0
        elif (rises := rises + 1) == _RISES:
            break
    return best, lowest
