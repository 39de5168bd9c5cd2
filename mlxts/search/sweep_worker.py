"""One run of a sweep: claim a waiting trial, train it, say what became of it.

A run is the run folder that `mlxts train` would make, continued where there is a checkpoint. It is
in the ledger once: a trial whose point is done, or being done, elsewhere gives way.
"""

import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from mlxts import experiment
from mlxts.errors import BusyError, DeviceError, MlxtsError, TakenOverError
from mlxts.evaluation import comparison
from mlxts.platform import device
from mlxts.runs.predictions import NETWORK
from mlxts.search import storage, sweep, worker_checks
from mlxts.training import run
from mlxts.training.events import Event, Listener, StartEvent, StopEvent
from mlxts.training.run import Plan

State = Literal["done", "failed", "pruned", "put back", "lost", "duplicate"]
Listen = Callable[[Plan], AbstractContextManager[Listener]]  # who watches a run

_LOOKS = 10.0  # seconds between two looks whether the trial still is this worker's


@dataclass(frozen=True)
class Outcome:
    """What became of a claimed trial."""

    state: State
    label: str  # of the point
    run_id: str | None  # None if it did not come that far
    value: float | None = None  # validation loss, nats (regression: Huber)
    why: str | None = None
    stopped_by: str | None = None  # "put back": interrupted or overheated


class _CutShortError(MlxtsError):
    """Training stopped for no fault of the run, which waits again."""


def work(study: optuna.Study, store: BaseStorage, listen: Listen) -> Outcome | None:
    """Train exactly one waiting run of a sweep.

    Returns:
        None where nothing is waiting.

    Raises:
        KeyboardInterrupt: the run has been put back.
        StorageInternalError: the database went away and did not come back.
        Exception: an error that is no MlxtsError; the run has failed and says so.
    """
    storage.recover(study, store)
    if not sweep.waiting(study):
        return None
    job = _Job(study, store, listen)
    try:
        storage.one_trial(study, store, job, catch=(MlxtsError,))
    except sweep.NothingWaitingError:
        return None
    except KeyboardInterrupt:
        with storage.if_reachable():
            job.put_back()
        raise
    except TakenOverError as error:
        return job.outcome("lost", why=str(error))
    if job.waits_again:
        job.put_back()
    return job.outcome(job.state, why=job.why)


class _Job:
    """The objective, and what it learnt."""

    def __init__(self, study: optuna.Study, store: BaseStorage, listen: Listen) -> None:
        self._study, self._store, self._listen = study, store, listen
        self._trial: optuna.Trial | None = None
        self._next_look = time.monotonic() + _LOOKS
        self._label, self._run_id, self._value = "", None, None
        self.waits_again = False
        self.state: State = "failed"
        self.why: str | None = None
        self.stopped_by: str | None = None

    def __call__(self, trial: optuna.Trial) -> float:
        self._trial = trial
        try:
            self._value = self._train(trial)
        except optuna.TrialPruned as error:
            self.state, self.why = "duplicate", str(error)
            raise
        except BaseException as error:
            self.waits_again = isinstance(error, _CutShortError | BusyError)
            if isinstance(error, DeviceError):  # it goes on from its checkpoint, a few times
                storage.mark(self._store, trial._trial_id, counted=True)
            self.why = str(error) if isinstance(error, MlxtsError) else repr(error)
            with storage.unless_leaving(error), contextlib.suppress(UpdateFinishedTrialError):
                if self.waits_again:
                    trial.set_user_attr("put_back", True)
                trial.set_user_attr("why", self.why)
            raise
        self.state = "done"
        return self._value

    def outcome(self, state: State, why: str | None) -> Outcome:
        return Outcome(state, self._label, self._run_id, self._value, why, self.stopped_by)

    def put_back(self) -> None:
        """Let the point wait again; that is no retry, nothing was wrong with it."""
        if self._trial is None:
            return
        self.state = "put back"
        trial = self._store.get_trial(self._trial._trial_id)
        kept = {"run_id": self._run_id} if self._run_id else {}
        self._study.enqueue_trial(sweep.values_of(trial), user_attrs=kept)

    def _train(self, trial: optuna.Trial) -> float:
        of = sweep.of(self._study)
        values = {
            axis: trial.suggest_categorical(axis, list(choices))
            for axis, choices in of.axes.items()
        }
        point = of.point(values)
        self._label = point.label
        self._give_way(trial)
        plan = run.plan(worker_checks.pinned(point.config, self._study.user_attrs["data"]))
        self._run_id = plan.run_id
        trial.set_user_attr("run_id", plan.run_id)
        with self._listen(plan) as emit:
            summary = experiment.execute(
                plan,
                emit=self._noting(trial, emit),
                resume=True,
                gate=self._gate,
                permit=self._permit,
            )
        self._judge(summary)
        self._give_way(trial)
        scores = summary["scores"]["validation"][NETWORK]
        for key, value in {
            "status": summary["status"],
            "n_total": summary["n_total"],
            "steps": summary["steps"],
            "train_seconds": summary["train_seconds"],
            "verdict": scores.get("verdict"),
            "reference": comparison.reference(scores),
            "device": device.device_name(),
        }.items():
            trial.set_user_attr(key, value)
        return float(summary["best_loss"])

    def _judge(self, summary: dict[str, Any]) -> None:
        if summary["status"] in experiment.FINISHED:
            return
        self.stopped_by = summary["status"]
        raise _CutShortError(summary["message"])

    def _noting(self, trial: optuna.Trial, emit: Listener) -> Listener:
        """`emit`, and a note at which step a run was taken up again."""

        def listen(event: Event) -> None:
            if isinstance(event, StartEvent) and event.resumed:
                trial.set_user_attr("resumed_at_step", event.step)
            emit(event)

        return listen

    def _gate(self, step: int) -> StopEvent | None:
        """Stop when the trial has become somebody else's, e.g. while this machine slept."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOKS
            self._permit()
        return None

    def _permit(self) -> None:
        """Raises TakenOverError: the trial is another worker's, nothing may be written any more."""
        assert self._trial is not None
        storage.require_ours(self._store, self._trial)

    def _give_way(self, trial: optuna.Trial) -> None:
        twin = _twin(self._study, trial)
        if twin is not None:
            raise optuna.TrialPruned(f"trial {twin.number} is the same run")


def _twin(study: optuna.Study, trial: optuna.Trial) -> FrozenTrial | None:
    """Another trial of the same point that is done, or was begun before this one."""
    states = (TrialState.COMPLETE, TrialState.RUNNING)
    same = [
        other
        for other in study.get_trials(deepcopy=False, states=states)
        if other.number != trial.number and other.params == trial.params
    ]
    return next((other for other in same if _goes_first(other, trial)), None)


def _goes_first(other: FrozenTrial, trial: optuna.Trial) -> bool:
    if other.state == TrialState.COMPLETE:
        return True
    assert other.datetime_start is not None  # both are running
    assert trial.datetime_start is not None
    return (other.datetime_start, other.number) < (trial.datetime_start, trial.number)
