"""The strongest cheap model: ridge regression on HAR's log ranges and the network's own features.

It reads the decision bar alone: no window, no order of days. What a network on the same features
does not add to it needs no network. Inputs are standardised on the rows that it learns from and
clipped; the penalty (squared weights, Hoerl and Kennard 1970; on a logit le Cessie and van
Houwelingen 1992) is the one with the lowest loss in `cross_validation.py`, walked from the
strongest on, so that with thousands of features the weak ones are never fitted.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Float64

from mlxts.baselines import cross_validation, har
from mlxts.baselines.base import Forecast
from mlxts.dataset.samples import Dataset, Samples
from mlxts.losses import sample_losses
from mlxts.protocol import BASELINE, LINEAR

# Inverse strengths, strongest first: of the summed nats; of a number of the summed squares.
PENALTIES = tuple(float(c) for c in np.geomspace(1e-6, 1.0, 13))
_RISES = 2  # losses in a row above the lowest, after which weaker penalties are not tried
_CLIP = 10.0  # training deviations: no input is longer than this
_CONSTANT = 1e-7  # deviation of float32 features that differ by rounding alone


@dataclass(frozen=True)
class LinearModel:
    """A fitted regression on k = 3 + F inputs: HAR's logs and the features of the decision bar.

    Plain numbers, which can be written down and read back.
    """

    floors: tuple[float, ...]  # (3,) the smallest log range that has a logarithm
    center: tuple[float, ...]  # (k,) of the inputs on the training rows
    spread: tuple[float, ...]  # (k,)
    weights: tuple[float, ...]  # (k,) of the standardised, clipped inputs
    bias: float
    penalty: float  # the chosen one of `PENALTIES`
    loss: float | None  # of that penalty in cross-validation; None: no fold could be learned from

    def __call__(
        self, ranges: Float64[np.ndarray, "n 3"], features: Float[np.ndarray, "n F"]
    ) -> Float64[np.ndarray, " n"]:
        """Logits, or numbers in the unit of the task.

        Args:
            ranges: HAR's means of log ranges at the decision bars, see `har.ranges`.
            features: of the decision bars.
        """
        inputs = _inputs(ranges, features, np.array(self.floors))
        line = _Line(
            _Standard(np.array(self.center), np.array(self.spread)),
            np.array(self.weights),
            self.bias,
        )
        return line(inputs)


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
        model, ranges = fit(dataset), har.MEASURES[BASELINE](dataset.daily)
        return FittedLinear(
            lambda samples: model(ranges[samples.daily_rows], dataset.features[samples.rows]),
            model.penalty,
            model.loss,
        )


def fit(dataset: Dataset) -> LinearModel:
    """Choose the penalty on the training samples and fit with it on all of them.

    Args:
        dataset: with the samples of one symbol alone, see `samples.of_symbol`.
    """
    train = dataset.samples["train"]
    ranges = har.MEASURES[BASELINE](dataset.daily)[train.daily_rows]
    floors = har.floor(ranges)
    inputs = _inputs(ranges, dataset.features[train.rows], floors)
    penalty, loss = _choose(dataset, inputs)
    line = _paths(dataset)(inputs, train.targets).at(penalty)
    constant = np.isinf(line.standard.spread)  # JSON has no infinity
    return LinearModel(
        floors=tuple(floors.tolist()),
        center=tuple(line.standard.center.tolist()),
        spread=tuple(np.where(constant, 1.0, line.standard.spread).tolist()),
        weights=tuple(np.where(constant, 0.0, line.weights).tolist()),
        bias=float(line.bias),
        penalty=penalty,
        loss=loss,
    )


def _inputs(
    ranges: Float64[np.ndarray, "n 3"],
    features: Float[np.ndarray, "n F"],
    floors: Float64[np.ndarray, " 3"],
) -> Float64[np.ndarray, "n k"]:
    """HAR's logs, floored where there is none, and the features."""
    return np.hstack([har.log_scale(ranges, floors), features.astype(np.float64)])


@dataclass(frozen=True)
class _Standard:
    """Inputs in deviations of the rows that were learned from, clipped."""

    center: Float64[np.ndarray, " k"]
    spread: Float64[np.ndarray, " k"]

    @classmethod
    def of(cls, learned: Float64[np.ndarray, "n k"]) -> Self:
        center, spread = learned.mean(axis=0), learned.std(axis=0)
        spread[spread <= _CONSTANT * (1.0 + np.abs(center))] = np.inf
        return cls(center, spread)

    def __call__(self, inputs: Float64[np.ndarray, "n k"]) -> Float64[np.ndarray, "n k"]:
        return np.clip((inputs - self.center) / self.spread, -_CLIP, _CLIP)


@dataclass(frozen=True)
class _Line:
    """Inputs to logits, or numbers."""

    standard: _Standard
    weights: Float64[np.ndarray, " k"]
    bias: float

    def __call__(self, inputs: Float64[np.ndarray, "n k"]) -> Float64[np.ndarray, " n"]:
        # Row by row: a matrix product's last bits depend on how many rows there are.
        return (self.standard(inputs) * self.weights).sum(axis=1) + self.bias


class _Logits:
    """Logistic regressions on the same rows, each starting from the weights of the one before."""

    def __init__(
        self, inputs: Float64[np.ndarray, "n k"], targets: Float[np.ndarray, " n"]
    ) -> None:
        from sklearn.linear_model import LogisticRegression

        self._standard = _Standard.of(inputs)
        self._inputs, self._targets = self._standard(inputs), targets > 0.5
        self._model: Any = LogisticRegression(max_iter=2000, warm_start=True)

    def at(self, penalty: float) -> _Line:
        self._model.set_params(C=penalty).fit(self._inputs, self._targets)
        return _Line(self._standard, self._model.coef_[0].copy(), self._model.intercept_[0])


class _Numbers:
    """Linear regressions on the same rows with every penalty, solved at once."""

    def __init__(
        self, inputs: Float64[np.ndarray, "n k"], targets: Float[np.ndarray, " n"]
    ) -> None:
        from sklearn.linear_model import Ridge

        self._standard = _Standard.of(inputs)
        repeated_targets = np.repeat(targets.astype(np.float64)[:, None], len(PENALTIES), axis=1)
        ridge: Any = Ridge(alpha=1.0 / np.array(PENALTIES), solver="cholesky")
        self._model = ridge.fit(self._standard(inputs), repeated_targets)

    def at(self, penalty: float) -> _Line:
        column = PENALTIES.index(penalty)
        return _Line(self._standard, self._model.coef_[column], self._model.intercept_[column])


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
