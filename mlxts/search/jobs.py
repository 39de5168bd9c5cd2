"""A job: one waiting point of a sweep or one trial of a search, from its claim to its end.

`work` does one: it claims a trial (`job_queue.py`), runs it, and writes down what became of it.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from mlxts import experiment
from mlxts.errors import BusyError, DeviceError, MlxtsError, TakenOverError
from mlxts.search import job_queue
from mlxts.search.database import if_reachable
from mlxts.search.job_queue import RUN_ID, WHY, parameters
from mlxts.search.optuna_internals import trial_id
from mlxts.training.events import Event, Listener, StartEvent, StopEvent
from mlxts.training.loop import Gate
from mlxts.training.plan import Plan

CHECK_SECONDS = 10.0  # between two checks whether a trial still is this worker's
TAKEN_OVER = "another worker has taken it over; what is done so far stays in the run folder"

State = Literal["done", "failed", "pruned", "duplicate", "put back", "lost"]
Listen = Callable[["Job", Plan], AbstractContextManager[Listener]]  # a run's listener


def without_listener(job: "Job", plan: Plan) -> AbstractContextManager[Listener]:
    """No listener."""
    return nullcontext(lambda event: None)


class TrialInterrupted(Exception):
    """Training stopped for a reason that is not the trial's: it goes on where it stopped.

    `status` is interrupted, overheated or timeout.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Duplicate(optuna.TrialPruned):
    """Another trial is the same run and replaces this one."""


class Surplus(Exception):
    """The trial that was claimed is one too many: it fails, and is not reported."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    state: State
    label: str
    run_id: str | None  # None if it did not come that far
    value: float | None = None  # validation loss, nats (regression: Huber)
    why: str | None = None
    stopped_by: str | None = None  # "put back": interrupted, overheated or timeout
    error: MlxtsError | None = None  # "failed"


class Job:
    """A trial that this process has claimed.

    Attributes:
        label: what people call it.
        run_id: of its run; None before that is known.
    """

    def __init__(
        self, study: optuna.Study, storage: BaseStorage, trial: optuna.Trial, listen: Listen
    ) -> None:
        self.study, self.storage, self.trial = study, storage, trial
        self.label = f"trial {trial.number}"
        self.run_id: str | None = None
        self._listen = listen
        self._next_check = time.monotonic() + CHECK_SECONDS

    @property
    def stored(self) -> FrozenTrial:
        """The trial as the storage has it now."""
        return self.storage.get_trial(trial_id(self.trial))

    def require_ours(self) -> None:
        """Raises TakenOverError: others have ended the trial; nothing may be written any more.

        While the database is away nothing is known, and nothing raised.
        """
        self._next_check = time.monotonic() + CHECK_SECONDS
        with if_reachable():
            self._require_running()

    def identify(self, plan: Plan) -> None:
        """Write down which run the trial is."""
        self.run_id = plan.run_id
        self.trial.set_user_attr(RUN_ID, plan.run_id)

    def find_twin(self, *finished: TrialState) -> FrozenTrial | None:
        """Another trial of the same parameters: one that was trained, else one started earlier.

        Args:
            finished: the states in which a trained trial replaces its twins.
        """
        stored = self.stored
        twins = [
            other
            for other in self.study.get_trials(False, (*finished, TrialState.RUNNING))
            if other.number != stored.number and parameters(other) == parameters(stored)
        ]
        trained = [t for t in twins if t.state.is_finished() and RUN_ID in t.user_attrs]
        earlier = [t for t in twins if not t.state.is_finished() and _begin(t) < _begin(stored)]
        return next(iter(trained + earlier), None)

    def train(
        self, plan: Plan, *, emit: Listener = lambda event: None, gate: Gate | None = None
    ) -> dict[str, Any]:
        """Run a plan to its end, from its checkpoint where there is one; returns its summary.

        Args:
            emit: is given every event, before the listener of this worker is.
            gate: called after every step, ends it with a status; "pruned" prunes it.

        Raises:
            TrialInterrupted: a signal, overheating or `gate` stopped it early.
            TrialPruned: by `gate`.
            MlxtsError: see `experiment.run_experiment`.
        """

        def check(step: int) -> StopEvent | None:
            if time.monotonic() >= self._next_check:  # it may have slept for hours
                self.require_ours()
            return gate(step) if gate else None

        def listen(event: Event) -> None:
            if isinstance(event, StartEvent) and event.resumed:
                with if_reachable():  # for people; nothing waits for it
                    self.trial.set_user_attr("resumed_at_step", event.step)
            emit(event)
            report(event)

        with self._listen(self, plan) as report:
            summary = experiment.run_experiment(
                plan, emit=listen, resume=True, gate=check, permit=self.require_ours
            )
        if summary["status"] == "pruned":
            raise optuna.TrialPruned(summary["message"])
        if summary["status"] not in experiment.FINISHED:
            raise TrialInterrupted(summary["status"], summary["message"])
        return summary

    def finish(self, state: TrialState, value: float | None = None) -> None:
        """End the trial. Raises TakenOverError: others did it meanwhile."""
        self._require_running()
        try:
            self.study.tell(self.trial, value, state)
        except (UpdateFinishedTrialError, ValueError):
            self._require_running()  # others may have ended it since the first check
            raise

    def fail(self, error: BaseException, *, counted: bool | None) -> None:
        """End the trial, with the reason in it. Raises TakenOverError: others did it meanwhile.

        Args:
            counted: queue it again, and whether that counts as a retry; None: do not.
        """
        with suppress(UpdateFinishedTrialError):
            if counted is not None:  # before it fails: whoever is killed after that must find it
                job_queue.mark(self.storage, trial_id(self.trial), counted=counted)
            expected = isinstance(error, MlxtsError | TrialInterrupted)
            self.trial.set_user_attr(WHY, str(error) if expected else repr(error))
        self.finish(TrialState.FAIL)

    def _require_running(self) -> None:
        if self.stored.state != TrialState.RUNNING:
            raise TakenOverError(TAKEN_OVER)


def work(
    study: optuna.Study,
    storage: BaseStorage,
    objective: Callable[[Job], float],
    *,
    listen: Listen = without_listener,
    samples: bool = False,
    retried: type[MlxtsError] = DeviceError,
) -> Outcome | None:
    """Do exactly one job.

    Args:
        study: made with `storage`.
        objective: trains the trial and gives its value, or raises TrialPruned, TrialInterrupted,
            Surplus or an error.
        listen: makes its run's listener.
        samples: draw a new trial where none waits.
        retried: errors after which the trial is queued again, at most `MAX_RETRIES` times.

    Returns:
        None where nothing waits, or the claimed trial was surplus.

    Raises:
        KeyboardInterrupt: the trial waits to be gone on with.
        StorageInternalError: the database went away and did not come back.
        Exception: any other that is no MlxtsError; the trial has failed and holds the reason.
    """
    with job_queue.claim(study, storage, samples=samples) as trial:
        if trial is None:
            return None
        job = Job(study, storage, trial, listen)
        try:
            return _do(job, objective, retried)
        except TakenOverError as error:
            return Outcome("lost", job.label, job.run_id, why=str(error))


def _do(job: Job, objective: Callable[[Job], float], retried: type[MlxtsError]) -> Outcome | None:
    """Run the objective, and end the trial as that ended. Raises TakenOverError besides."""

    def outcome(state: State, why: Exception | None = None, **more: Any) -> Outcome:
        return Outcome(state, job.label, job.run_id, why=None if why is None else str(why), **more)

    try:
        value = objective(job)
        job.finish(TrialState.COMPLETE, value)
        return outcome("done", value=value)
    except TakenOverError:
        raise
    except optuna.TrialPruned as error:
        job.finish(TrialState.PRUNED)
        return outcome("duplicate" if isinstance(error, Duplicate) else "pruned", error)
    except Surplus:
        job.finish(TrialState.FAIL)
        return None
    except TrialInterrupted as error:
        job.fail(error, counted=False)
        return outcome("put back", error, stopped_by=error.status)
    except BusyError as error:
        job.fail(error, counted=False)
        return outcome("put back", error)
    except MlxtsError as error:
        job.fail(error, counted=True if isinstance(error, retried) else None)
        return outcome("failed", error, error=error)
    except KeyboardInterrupt as error:
        with if_reachable(), suppress(TakenOverError):  # who leaves waits for no database
            job.fail(error, counted=False)
        raise
    except Exception as error:
        job.fail(error, counted=None)
        raise
    finally:
        with if_reachable():
            job_queue.requeue_marked(job.study, job.storage)


def _begin(trial: FrozenTrial) -> tuple[datetime, int]:
    assert trial.datetime_start is not None  # it is running
    return trial.datetime_start, trial.number
