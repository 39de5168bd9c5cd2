"""PatchTST as an estimator of scikit-learn."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from jaxtyping import Float64
from mlx.utils import tree_unflatten
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from mlxts import console, transfer
from mlxts.api import windows
from mlxts.api.windows import Windows
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.config.yamltext import overridden
from mlxts.errors import ConfigError, ShapeError
from mlxts.evaluation.metrics import Forecast
from mlxts.model import flops, parameter_budget
from mlxts.model.initialisation import base_rate_logit, feature_statistics
from mlxts.model.patchtst import PatchTST, flat_arrays
from mlxts.platform import device
from mlxts.protocol import FIXED
from mlxts.training import unrecorded
from mlxts.training.loop import Arrays
from mlxts.training.step import Forward

_NEEDS_BARS = ("residual_of", "asset_embedding", "last_bar_to_head")


class PatchTSTClassifier(ClassifierMixin, BaseEstimator):
    """PatchTST for two classes, trained by the loop of `mlxts.train`.

        model = mlxts.PatchTSTClassifier(budget="0.2M").fit(X, y)
        model.predict_proba(X_new)[:, 1]

    X is an array of windows (n, bars, features), or (n, bars) of one feature, in the order of
    time; or a data frame of bars as for `mlxts.features.build`, each of whose rows ends a window of
    `context` bars of a tier's features. y has a label for each window, or row; of a frame it may
    be missing (None, NaN), as it is on the last days. The latest rows decide when training stops.

    Args:
        budget: trainable parameters, a name in `mlxts.parameter_budget` (0.02M to 200M).
        tier: of a frame, how many features. context: of a frame, bars of a window.
        dropout: in the encoder. learning_rate: of AdamW. batch_size: samples a step.
        max_epochs: if early stopping does not end training before.
        patience: validations, of four an epoch, without improvement before it does.
        validation_fraction: the latest share of the times, which is not trained on.
        purge: times before those that are left out of training, as many as a label looks ahead.
        random_state: of weights, order and dropout; the same gives the same bits.
        overrides: other dotted keys of a configuration, e.g. {"model.depth": 2}.
        verbose: print a line for each validation and epoch.

    Attributes:
        classes_: both labels, sorted. network_: the `mlxts.PatchTST`, in evaluation mode.
        config_: the resolved configuration. n_iter_: optimizer steps done.
        best_loss_: log loss of the latest rows, nats.
    """

    def __init__(
        self,
        budget: str = "0.2M",
        *,
        tier: int = 20,
        context: int = FIXED.context,
        dropout: float = FIXED.dropout,
        learning_rate: float = FIXED.learning_rate,
        batch_size: int = 64,
        max_epochs: int = 20,
        patience: int = 12,
        validation_fraction: float = 0.2,
        purge: int = 1,
        random_state: Any = 0,
        overrides: Mapping[str, Any] | None = None,
        verbose: bool = False,
    ) -> None:
        self.budget = budget
        self.tier = tier
        self.context = context
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.purge = purge
        self.random_state = random_state
        self.overrides = overrides
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Train to the best loss on the latest rows.

        Raises:
            ValueError: labels of other than two classes, or too few rows.
            ConfigError: a parameter that no experiment can have.
            DataError: a frame whose bars cannot be true.
            BudgetError: no shape of the budget reads so many features.
        """
        samples, labels = self._labelled_samples(X, y)
        known = ~windows.is_missing(labels)
        self.classes_, targets = windows.two_classes(labels[known])
        values = np.zeros(len(labels), dtype=np.float32)
        values[known] = targets
        train, validation = windows.split(
            samples, known & samples.complete, self.validation_fraction, self.purge
        )
        self.config_ = self._configuration(samples.context)
        shape = parameter_budget.solve(self.budget, samples.features.shape[1], self.config_.model)
        self.network_ = PatchTST(
            shape,
            seed=self.config_.seed,
            bias=base_rate_logit(values[train]),
            statistics=feature_statistics(samples.features, samples.ends[train])
            if shape.statistics_to_head
            else None,
        )
        arrays = Arrays(
            device.on_device(samples.features),
            samples.ends[train],
            values[train],
            samples.ends[validation],
            values[validation],
        )
        with console.make(quiet=not self.verbose) as emit:
            outcome = unrecorded.train(
                self.config_,
                arrays,
                self.network_,
                binary=True,
                evaluation_batch=self._evaluation_batch,
                emit=emit,
                name=type(self).__name__,
            )
        self.n_iter_ = outcome.state.step
        self.best_loss_ = outcome.state.stopping.best
        return self

    def decision_function(self, X: Any) -> Float64[np.ndarray, " n"]:
        """(n,) logits of the second class; NaN where a frame's row has no complete window."""
        samples = self._samples(X)
        logits = np.full(len(samples.ends), np.nan)
        forward = Forward(self.network_, self._evaluation_batch)
        complete = samples.complete
        logits[complete] = forward(device.on_device(samples.features), samples.ends[complete])
        return logits

    def predict_proba(self, X: Any) -> Float64[np.ndarray, "n 2"]:
        """(n, 2) probabilities of the classes; NaN where a frame's row has no complete window."""
        logits = self.decision_function(X)
        second = Forecast(logits, np.zeros_like(logits)).probabilities
        return np.column_stack([1.0 - second, second])

    def predict(self, X: Any) -> Any:
        """(n,) the likelier class.

        Raises:
            ValueError: a row of a frame has no complete window.
        """
        logits = self.decision_function(X)
        if np.isnan(logits).any():
            raise ValueError(
                f"{np.isnan(logits).sum()} rows have no complete window, the first ones; "
                "predict_proba gives NaN there"
            )
        return self.classes_[(logits > 0).astype(int)]

    def _labelled_samples(self, X: Any, y: Any) -> tuple[Windows, np.ndarray]:
        """The windows to fit, and the label of each."""
        if not windows.is_frame_of_bars(X):
            X, labels = validate_data(self, X, y, **windows.array_checks(X))
            return windows.of_array(X), labels
        samples = windows.of_frame(X, self.tier, self.context)
        return samples, windows.labels_of_rows(y, len(samples.ends))

    def _samples(self, X: Any) -> Windows:
        """The windows to predict. Raises ShapeError: other ones than those that were fitted."""
        check_is_fitted(self)
        if windows.is_frame_of_bars(X):
            samples = windows.of_frame(X, self.tier, self.context)
        else:
            samples = windows.of_array(
                validate_data(self, X, reset=False, **windows.array_checks(X))
            )
        shape, width = self.network_.shape, samples.features.shape[1]
        if (samples.context, width) != (shape.context, shape.features):
            raise ShapeError(
                f"these windows have {samples.context} bars and {width} features; "
                f"{type(self).__name__} was fitted to {shape.context} bars and "
                f"{shape.features} features"
            )
        return samples

    def _configuration(self, context: int) -> ExperimentConfig:
        patch_length = min(FIXED.patch_length, context)
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        values = {
            "name": type(self).__name__,
            "mode": "exploratory",
            "budget": self.budget,
            "seed": int(seed),
            "model": {
                "context": context,
                "patch_length": patch_length,
                "stride": min(FIXED.stride, patch_length),
                "dropout": self.dropout,
            },
            "training": {
                "learning_rate": self.learning_rate,
                "batch_size": self.batch_size,
                "max_epochs": self.max_epochs,
                "patience": self.patience,
            },
        }
        config = build_config(
            overridden(values, dict(self.overrides or {})), origin=type(self).__name__
        )
        for key in _NEEDS_BARS:
            if getattr(config.model, key):
                raise ConfigError(f"overrides: model.{key} reads more than windows; leave it out")
        return config

    @property
    def _evaluation_batch(self) -> int:
        training = self.config_.training
        return flops.evaluation_batch(
            self.network_.shape, training.micro_batch or training.batch_size
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.three_d_array = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "network_" in state:  # what MLX holds cannot be pickled
            network = state.pop("network_")
            weights = transfer.on_host(flat_arrays(network.parameters()))
            state["_network"] = network.shape, weights
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        stored = state.pop("_network", None)
        super().__setstate__(state)
        if stored:
            self.network_ = _network(*stored)


def _network(shape: Any, weights: Mapping[str, np.ndarray]) -> PatchTST:
    statistics = np.zeros((2, shape.features), dtype=np.float32)
    network = PatchTST(shape, statistics=statistics if shape.statistics_to_head else None)
    network.update(
        tree_unflatten([(name, transfer.on_device(value)) for name, value in weights.items()])
    )
    network.eval()
    return network
