"""A small experiment with a search, and studies over it in a workspace of simulated bars."""

from typing import Any

from optuna.storages import InMemoryStorage

from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.search import space, study
from tests import homes

# One architecture: another would compile its own kernels, which takes longer than the training.
SPACE: dict[str, Any] = {
    "weight_decay": {"low": 1e-4, "high": 1.0, "log": True},
    "warmup_steps": {"low": 0, "high": 20},
}


TRAINING: dict[str, Any] = {"max_epochs": 1, "validations_per_epoch": 1, "learning_rate": 0.003}


def experiment(
    searched: dict[str, Any] | None = None, *, settings: dict[str, Any] | None = None, **search: Any
) -> ExperimentConfig:
    """The experiment of `homes` with one epoch; `search` and `settings` are merged in."""
    values = {**homes.SETTINGS, "training": {**homes.SETTINGS["training"], **TRAINING}}
    for key, value in (settings or {}).items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    declared = {"trials": 4, "pruner": "none", "space": SPACE if searched is None else searched}
    return build_config({**values, "search": {**declared, **search}})


def begin(configuration: ExperimentConfig):
    """(study, storage) of a configuration, in memory."""
    store = InMemoryStorage()
    return study.create(store, configuration, space.read(configuration)), store
