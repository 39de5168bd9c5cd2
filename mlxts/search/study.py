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
    while study.work(search, store, emit=...):           # exactly one trial each time
        ...
"""

import contextlib
import signal
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from mlxts import code_version
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.errors import DeviceError, MlxtsError, SearchError, TakenOverError
from mlxts.search import sampling, space, storage, train_validation_data, worker_checks
from mlxts.search.objective import TAKEN_OVER, Halted, Objective
from mlxts.search.space import SearchConfig, Values
from mlxts.training import run
from mlxts.training.events import Event, Listener
from mlxts.training.run import Plan

KIND = "hpo"
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class Watcher:
    """What wants to know how a study goes: a console. This one does not."""

    def __call__(self, event: Event) -> None:
        """An event of the training of this process."""

    def began(self, trial: optuna.Trial, values: Values, plan: Plan | None) -> None:
        """A trial of this process is about to train; without a plan if it is infeasible."""

    def ended(self, study: optuna.Study) -> None:
        """A trial of this process is over, or another process may have changed the study."""


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
        DataError, BudgetError, RunError: see `run.plan`.
    """
    name = name or name_of(experiment, search)
    if name in storage.study_names(store):
        if not resume:
            raise SearchError(
                f"study {name} exists; leave --no-resume out to continue it, or give another "
                "--study name"
            )
        study = load(store, name)
        known = settings(study)
        asked = (experiment.hash, search.identity())
        if (known.experiment.hash, known.search.identity()) != asked:
            raise SearchError(
                f"study {name} searches another configuration; give another --study name"
            )
        if known.target_trials != search.trials:
            study.set_user_attr("target_trials", search.trials)
        return study
    plan = run.plan(experiment, data=train_validation_data.load(experiment).dataset)
    artifacts = [artifact for artifact in plan.dataset.artifacts if not hasattr(artifact, "tier")]
    pinned = {artifact.symbol: artifact.sha256 for artifact in artifacts}
    data = experiment.data.model_copy(update={"pinned": pinned})
    experiment = experiment.model_copy(update={"data": data})
    # Two machines may come at the same moment, and one may have been killed half-way.
    with contextlib.suppress(DuplicatedStudyError):
        optuna.create_study(study_name=name, storage=store, direction="minimize")
    study = optuna.load_study(study_name=name, storage=store)
    attributes = {
        "config": experiment.model_dump(mode="json"),
        "search": search.model_dump(mode="json"),
        "target_trials": search.trials,
        "sampler_seed": search.seed,
        "code_version": code_version.of(code_version.RUN),
        "kind": KIND,  # last: a study without it is not a whole one
    }
    if "kind" not in study.user_attrs:
        for key, value in attributes.items():
            study.set_user_attr(key, value)
    return load(store, name)


def load(store: BaseStorage, name: str) -> optuna.Study:
    """A study by its name, with its own sampler and pruner.

    Raises:
        SearchError: there is none of that name, or it is no search.
    """
    known = storage.study_names(store, KIND)
    matches = [one for one in known if one == name] or [o for o in known if o.startswith(name)]
    if len(matches) != 1:
        if not known:
            raise SearchError(f"no study {name}, nor any other; `mlxts hpo CONFIG` begins one")
        if matches:
            raise SearchError(f"{name} could be any of {', '.join(matches)}; give more of the name")
        raise SearchError(f"no study {name}; there are: {', '.join(known)}")
    study = optuna.load_study(study_name=matches[0], storage=store)
    found = settings(study)
    study.sampler = sampling.make_sampler(found.search)
    study.pruner = sampling.make_pruner(found.search, found.experiment.training.max_epochs)
    return study


def settings(study: optuna.Study) -> Settings:
    """What the study's attributes say.

    Raises:
        ConfigError: they are of another version of this program.
    """
    attributes = study.user_attrs
    experiment = build_config(
        {**attributes["config"], "search": attributes["search"]}, origin=study.study_name
    )
    return Settings(experiment, space.read(experiment), attributes["target_trials"])


def work(
    study: optuna.Study,
    store: BaseStorage,
    *,
    watcher: Watcher | None = None,
    emit: Listener | None = None,
    out_of_time: Callable[[], bool] = lambda: False,
) -> bool:
    """Run exactly one trial, if one is left.

    Args:
        study: from `create` or `load`.
        store: what it lives in.
        watcher, emit: told of what happens; either or both.
        out_of_time: asked after every step; true halts the trial.

    Returns:
        Whether more is left to begin; another process may still be at its own trial.

    Raises:
        Halted: a signal, heat, or the time halted the trial, which waits to be gone on with; or
            another worker has taken it over.
        KeyboardInterrupt: before training or after it; the trial waits to be gone on with.
        SearchError: the study was begun by another version of this program.
        MlxtsError: see `experiment.execute`; the trial is queued again, at most three times.
        Exception: any other; the trial has failed and says why.
    """
    watcher = watcher or Watcher()
    if study.user_attrs["code_version"] != code_version.of(code_version.RUN):
        raise SearchError(
            f"study {study.study_name} was begun by another version of this program, whose "
            "values cannot be compared; give another --study name"
        )
    found = settings(study)
    storage.recover(study, store)
    if end(study):
        return False

    def listen(event: Event) -> None:
        watcher(event)
        if emit:
            emit(event)

    objective = Objective(
        found.experiment,
        found.search.space,
        emit=listen,
        began=watcher.began,
        out_of_time=out_of_time,
    )
    job = _Job(study, store, objective, found.target_trials)
    try:
        storage.one_trial(study, store, job, catch=(_Surplus,))
    except TakenOverError as error:
        raise job.halted or Halted(TAKEN_OVER, str(error)) from None
    finally:
        with storage.if_reachable():
            job.queue_again()
            watcher.ended(study)
    return end(study) is None


class _Job:
    """The objective of one claimed trial, and what is owed to it when it ends."""

    def __init__(
        self, study: optuna.Study, store: BaseStorage, objective: Objective, target_trials: int
    ) -> None:
        self._study, self._store = study, store
        self._objective, self._target = objective, target_trials
        self._trial: optuna.Trial | None = None
        self._error: BaseException | None = None

    def __call__(self, trial: optuna.Trial) -> float:
        frozen = _frozen(self._study, trial.number)
        if sampling.ordinal(self._study, frozen) >= self._target:
            trial.set_user_attr(sampling.SURPLUS, True)
            raise _Surplus
        self._trial = trial
        try:
            return self._objective(trial)
        except optuna.TrialPruned:
            raise
        except BaseException as error:
            self._error = error
            with storage.unless_leaving(error), contextlib.suppress(UpdateFinishedTrialError):
                # Before the trial fails: whoever is killed after that must find what it needs.
                if isinstance(error, Halted | KeyboardInterrupt):
                    storage.mark(self._store, trial._trial_id, counted=False)
                elif isinstance(error, MlxtsError):
                    storage.mark(self._store, trial._trial_id, counted=True)
                why = str(error) if isinstance(error, MlxtsError | Halted) else repr(error)
                trial.set_user_attr(storage.WHY, why)
            raise

    @property
    def halted(self) -> Halted | None:
        """What cut the training of this process short, if that did."""
        return self._error if isinstance(self._error, Halted) else None

    def queue_again(self) -> None:
        """Queue the trial again where this worker has failed it, and it is owed that."""
        if self._trial is None or self._error is None:
            return
        trial = self._store.get_trial(self._trial._trial_id)
        if trial.state == TrialState.FAIL and not self._is_followed():
            storage.requeue(self._study, trial)

    def _is_followed(self) -> bool:
        number = self._trial.number if self._trial else None
        trials = self._study.get_trials(deepcopy=False)
        return any(trial.system_attrs.get(storage.FOLLOWS) == number for trial in trials)


def run_all(
    study: optuna.Study,
    store: BaseStorage,
    *,
    watcher: Watcher | None = None,
    timeout: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Work on a study until it is done, or stopped.

    Args:
        timeout: seconds. The trial in progress is halted then, and gone on with next time.

    Returns:
        Why it ended: `end`'s reason, or interrupted, overheated or timeout.

    Raises:
        SearchError: this machine has other data than the study was begun with.
        DeviceError: a trial was tried again each time that the device failed, and has no try left.
        MlxtsError: see `work`.
    """
    worker_checks.require_data(settings(study).experiment.data.pinned)
    deadline = None if timeout is None else clock() + timeout
    watcher = watcher or Watcher()
    watcher.ended(study)

    def out_of_time() -> bool:
        return deadline is not None and clock() >= deadline

    with _interruptible():
        try:
            while True:
                if out_of_time():
                    return "timeout"
                try:
                    if not work(study, store, watcher=watcher, out_of_time=out_of_time):
                        return end(study) or "done"
                except Halted as halted:
                    if halted.status != TAKEN_OVER:
                        return halted.status
                except DeviceError:
                    # The trial waits to go on from its checkpoint, unless it has used up its tries.
                    if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                        raise
        except KeyboardInterrupt:
            return "interrupted"


@contextlib.contextmanager
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


def end(study: optuna.Study) -> str | None:
    """Why nothing is left to begin; None while something is."""
    found = settings(study)
    if study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        return None
    begun = sampling.suggestions(study)
    if len(begun) >= found.target_trials:
        return f"all {found.target_trials} trials are done"
    leader, patience = best(study), found.search.patience
    if leader is None or patience is None:
        return None
    finished = study.get_trials(deepcopy=False, states=FINISHED)
    lead = sampling.ordinal(study, leader)
    since = sum(sampling.ordinal(study, trial) > lead for trial in finished)
    return f"no better one in {since} trials" if since >= patience else None


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
            f"no trial of {study.study_name} is complete; go on with it, or read the reasons in "
            f"`mlxts hpo show {study.study_name}`"
        )
    return leader, configuration_of(study, leader)


def configuration_of(study: optuna.Study, trial: FrozenTrial) -> ExperimentConfig:
    """What a trial trained, as an ordinary experiment."""
    return space.configure(settings(study).experiment, trial.params)


class _Surplus(Exception):
    """Another process took the last trial in between."""


def _frozen(study: optuna.Study, number: int) -> FrozenTrial:
    return study.get_trials(deepcopy=False)[number]
