"""A study: one search over one configuration, kept in a storage until it is done.

It holds all that its trials need besides the data, so that any process that can open the storage
can work on it. User attributes of a study:

    kind           "hpo"
    config         the resolved experiment, with the hashes of the data it reads
    search         its `search:` section
    target_trials  how many trials in all
    sampler_seed   of every draw, together with the study's name and the trial's ordinal
    code_version   of the files that decide a run's numbers

    store = storage.open(url)
    search = study.create(store, config, settings)       # or study.load(store, name)
    while study.work(search, store):                     # exactly one trial each time
        ...
"""

import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from mlxts import code_version
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.errors import DeviceError, MlxtsError, SearchError
from mlxts.search import (
    job_queue,
    jobs,
    sampling,
    space,
    storage,
    train_validation_data,
    worker_checks,
)
from mlxts.search.jobs import Job, Listen, Outcome, Surplus
from mlxts.search.objective import Objective
from mlxts.search.space import SearchConfig
from mlxts.training.plan import make_plan

KIND = "hpo"
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_CODE = "code_version"


@dataclass(frozen=True)
class Settings:
    """A study's attributes, read back."""

    experiment: ExperimentConfig
    search: SearchConfig
    target_trials: int


def name_of(experiment: ExperimentConfig, search: SearchConfig) -> str:
    """hpo-<config>-<hash>: how long to search does not matter, all else makes another study."""
    return storage.study_name(KIND, experiment.name, [experiment.hash, search.identity()])


def create(
    store: BaseStorage,
    experiment: ExperimentConfig,
    search: SearchConfig,
    *,
    name: str | None = None,
    resume: bool = True,
) -> optuna.Study:
    """The study of a configuration: the one that exists, or a new one.

    Args:
        name: None: follows from the configuration.
        resume: whether one that exists may be continued.

    Raises:
        SearchError: it exists and `resume` is off, it is another configuration's, or it was begun
            by another version of this program.
        DataError, BudgetError, RunError: see `make_plan`.
    """
    name = name or name_of(experiment, search)
    if name in storage.study_names(store, KIND):
        if not resume:
            raise SearchError(
                f"study {name} exists; leave --no-resume out to continue it, or give another "
                "--study name"
            )
        study = load(store, name)
        stored = settings(study)
        wanted = (experiment.hash, search.identity())
        if (stored.experiment.hash, stored.search.identity()) != wanted:
            raise SearchError(
                f"study {name} searches another configuration; give another --study name"
            )
        if stored.target_trials != search.trials:
            study.set_user_attr("target_trials", search.trials)
        return study
    plan = make_plan(experiment, data=train_validation_data.load(experiment).dataset)
    artifacts = [artifact for artifact in plan.dataset.artifacts if not hasattr(artifact, "tier")]
    hashes = {artifact.symbol: artifact.sha256 for artifact in artifacts}
    attributes = {
        "config": worker_checks.pinned(experiment, hashes).model_dump(mode="json"),
        "search": search.model_dump(mode="json"),
        "target_trials": search.trials,
        "sampler_seed": search.seed,
        _CODE: code_version.of(code_version.RUN),
        "kind": KIND,
    }
    storage.make_study(store, name, attributes)
    return load(store, name)


def load(store: BaseStorage, name: str) -> optuna.Study:
    """A study by its name or the beginning of it, with its own sampler and pruner.

    Raises:
        SearchError: there is none of that name, or it is no search.
    """
    names = storage.study_names(store, KIND)
    matches = [name] if name in names else [n for n in names if n.startswith(name)]
    if len(matches) != 1:
        if not names:
            raise SearchError(f"no study {name}, nor any other; `mlxts hpo CONFIG` starts one")
        if matches:
            raise SearchError(f"{name} could be any of {', '.join(matches)}; give more of the name")
        raise SearchError(f"no study {name}; there are: {', '.join(names)}")
    study = optuna.load_study(study_name=matches[0], storage=store)
    stored = settings(study)
    study.sampler = sampling.make_sampler(stored.search)
    study.pruner = sampling.make_pruner(stored.search, stored.experiment.training.max_epochs)
    return study


def settings(study: optuna.Study) -> Settings:
    """The settings in the study's attributes.

    Raises:
        ConfigError: they are of another version of this program.
    """
    attributes = study.user_attrs
    experiment = build_config(
        {**attributes["config"], "search": attributes["search"]}, origin=study.study_name
    )
    return Settings(experiment, space.read(experiment), attributes["target_trials"])


def require_machine(study: optuna.Study) -> None:
    """Raises SearchError: this machine has other data or code than the study was started with."""
    # The code first: what another version wrote down this one may not be able to read.
    worker_checks.require_code(study.user_attrs[_CODE])
    worker_checks.require_data(settings(study).experiment.data.artifact_sha256)


def has_work(study: optuna.Study) -> bool:
    return end_reason(study) is None


def work(
    study: optuna.Study,
    store: BaseStorage,
    listen: Listen = jobs.without_listener,
    *,
    out_of_time: Callable[[], bool] = lambda: False,
) -> Outcome | None:
    """Run exactly one trial, if one is left.

    Args:
        study: from `create` or `load`.
        store: what it lives in.
        listen: makes the run's listener.
        out_of_time: called after every step; true interrupts the trial.

    Returns:
        None where none was left. A trial that failed is queued again, at most three times.

    Raises:
        KeyboardInterrupt: before training or after it; the trial waits to be gone on with.
        SearchError: the study was started by another version of this program.
        Exception: any that is no MlxtsError; the trial has failed and holds the reason.
    """
    if study.user_attrs[_CODE] != code_version.of(code_version.RUN):
        raise SearchError(
            f"study {study.study_name} was started by another version of this program, whose "
            "values cannot be compared; give another --study name"
        )
    stored = settings(study)
    job_queue.recover(study, store)
    if end_reason(study):
        return None
    objective = Objective(stored.experiment, stored.search.space, out_of_time=out_of_time)

    def evaluate(job: Job) -> float:
        # Another process may have claimed the last one in between.
        if sampling.ordinal(study, job.stored) >= stored.target_trials:
            job.trial.set_user_attr(sampling.SURPLUS, True)
            raise Surplus
        return objective(job)

    return jobs.work(study, store, evaluate, listen=listen, samples=True, retried=MlxtsError)


def run_all(
    study: optuna.Study,
    store: BaseStorage,
    listen: Listen = jobs.without_listener,
    *,
    after_trial: Callable[[optuna.Study], None] = lambda study: None,
    timeout: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Work on a study until it is done, or stopped.

    Args:
        listen: makes each run's listener.
        after_trial: called before the first trial and after each.
        timeout: seconds. The trial in progress is interrupted then, and gone on with next time.

    Returns:
        Why it ended: `end_reason`, or interrupted, overheated or timeout.

    Raises:
        SearchError: this machine has other data than the study was started with.
        DeviceError: a trial was tried again each time that the device failed, and has no try left.
        MlxtsError: see `experiment.run_experiment`.
    """
    worker_checks.require_data(settings(study).experiment.data.artifact_sha256)
    deadline = None if timeout is None else clock() + timeout
    after_trial(study)

    def out_of_time() -> bool:
        return deadline is not None and clock() >= deadline

    with _interruptible():
        try:
            while not out_of_time():
                outcome = work(study, store, listen, out_of_time=out_of_time)
                after_trial(study)
                if outcome and outcome.stopped_by:
                    return outcome.stopped_by
                if outcome and outcome.error and not _goes_on(study, outcome.error):
                    raise outcome.error
                if reason := end_reason(study):
                    return reason
        except KeyboardInterrupt:
            return "interrupted"
    return "timeout"


def _goes_on(study: optuna.Study, error: MlxtsError) -> bool:
    """A trial whose device failed goes on from its checkpoint, unless it has used up its tries."""
    return isinstance(error, DeviceError) and job_queue.count(study, TrialState.WAITING) > 0


@contextmanager
def _interruptible() -> Generator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt; within training it ends its step first."""
    old: dict[int, Any] = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def end_reason(study: optuna.Study) -> str | None:
    """Why nothing is left to begin; None while something is."""
    stored = settings(study)
    if job_queue.count(study, TrialState.WAITING):
        return None
    if len(sampling.suggestions(study)) >= stored.target_trials:
        return f"all {stored.target_trials} trials are done"
    leader, patience = best(study), stored.search.patience
    if leader is None or patience is None:
        return None
    lead = sampling.ordinal(study, leader)
    finished = study.get_trials(deepcopy=False, states=FINISHED)
    since = sum(sampling.ordinal(study, trial) > lead for trial in finished)
    return f"no improvement in {since} trials" if since >= patience else None


def best(study: optuna.Study) -> FrozenTrial | None:
    """The complete trial with the lowest value, the earliest of equals; None before the first."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return min(complete, key=lambda trial: (trial.value, trial.number), default=None)


def winner(study: optuna.Study) -> tuple[FrozenTrial, ExperimentConfig]:
    """The best trial and the configuration that trains exactly it.

    Raises:
        SearchError: no trial is complete.
    """
    leader = best(study)
    if leader is None:
        raise SearchError(
            f"no trial of {study.study_name} is complete; continue it, or read the reasons in "
            f"`mlxts hpo show {study.study_name}`"
        )
    return leader, configuration_of(study, leader)


def configuration_of(study: optuna.Study, trial: FrozenTrial) -> ExperimentConfig:
    """What a trial trained, as an ordinary experiment."""
    return space.configure(settings(study).experiment, trial.params)
