"""A small experiment with a search, and studies over it in a workspace of simulated bars."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage

from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.search import jobs, space, study
from mlxts.search.jobs import Outcome
from mlxts.training.events import Event, Listener
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


def watched(listener: Listener) -> jobs.Listen:
    """Somebody watches every run."""
    return lambda job, plan: nullcontext(listener)


def at(kind: type[Event], count: int, action: Callable[[], object]) -> jobs.Listen:
    """Do something at the n-th event of a kind."""
    left = [count]

    def listen(event: Event) -> None:
        left[0] -= isinstance(event, kind)
        if isinstance(event, kind) and left[0] == 0:
            action()

    return watched(listen)


def do(
    study: optuna.Study, store: BaseStorage, objective: Callable[[optuna.Trial], float]
) -> Outcome | None:
    """One job: a waiting trial, or a new one."""
    return jobs.work(study, store, lambda job: objective(job.trial), samples=True)
