"""A storage as a queue of trials: running, queued again, and abandoned ones.

A worker claims a waiting trial and holds the claim until it has ended. Trials that were cut short
are queued again, as are those whose worker has died, at most `MAX_RETRIES` times. Who is dead:

- A worker of this machine that does not hold its claim any more (`claims.py`).
- One of another machine, in a database, whose heartbeats have stopped (`database.py`).
- In a journal, which one machine has: a running trial without an owner, checked under the lock
  that a worker holds from before it claims a trial until it has written itself down.

To fail a trial and to queue it again are two writes. A trial that will be queued again is marked
before the first, so that whoever is killed between them loses nothing: `recover` finds the mark.
"""

import socket
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from mlxts import locks
from mlxts.files import runs_folder
from mlxts.runs.folder import RunFolder
from mlxts.search import claims, optuna_internals
from mlxts.search.claims import OWNER
from mlxts.search.database import Database
from mlxts.search.optuna_internals import trial_id
from mlxts.search.storage import Journal

MAX_RETRIES = 3
# System attributes of a trial that was queued again; the last two have Optuna's names.
FOLLOWS = "follows"  # the number of the trial that it repeats
ORIGIN = "failed_trial"  # the number of the first of them
HISTORY = "retry_history"  # the numbers of those whose failure counted
# User attributes of a trial.
AGAIN = "again"  # it fails and will be queued again: does that count as a retry?
WHY = "why"  # what a failed one died of
RUN_ID = "run_id"


@contextmanager
def claim(
    study: optuna.Study, storage: BaseStorage, *, samples: bool
) -> Generator[optuna.Trial | None]:
    """Claim a trial while the block runs: its owner is stored, and heartbeats are sent.

    Args:
        samples: begin a new trial where none waits.

    Yields:
        None where there is none.
    """
    with ExitStack() as stack:
        with one_at_a_time(storage):
            trial = _next_waiting(study) or (study.ask() if samples else None)
            if trial is not None:
                owner = stack.enter_context(claims.claim(_claims_folder(storage)))
                if isinstance(storage, Database):
                    stack.enter_context(storage.heartbeats(trial_id(trial)))
                trial.set_user_attr(OWNER, owner)
        yield trial


def _next_waiting(study: optuna.Study) -> optuna.Trial | None:
    """Begin a waiting trial; those whose checkpoint lies on this machine go first.

    A run that another process of this machine still holds (it was stopped, and will find that its
    trial was given away) waits until that one has let go.
    """

    def folder(trial: FrozenTrial) -> RunFolder:
        return RunFolder(runs_folder() / trial.user_attrs.get(RUN_ID, "unknown"))

    waiting = study.get_trials(False, (TrialState.WAITING,))
    for trial in sorted(waiting, key=lambda t: (not folder(t).checkpoints.is_dir(), t.number)):
        free = locks.holder(folder(trial).lock) is None
        if free and (claimed := optuna_internals.begin(study, trial)):
            return claimed
    return None


def recover(study: optuna.Study, storage: BaseStorage) -> None:
    """Fail the trials whose worker has died and queue them again, at most `MAX_RETRIES` times."""
    with one_at_a_time(storage):
        running = study.get_trials(False, (TrialState.RUNNING,))
        for trial in _abandoned(running, storage):
            mark(storage, trial_id(trial), counted=True)
            with suppress(UpdateFinishedTrialError):
                storage.set_trial_state_values(trial_id(trial), TrialState.FAIL)
    requeue_marked(study, storage)


def mark(storage: BaseStorage, trial_id: int, *, counted: bool) -> None:
    """Mark a running trial to be queued again once it has failed.

    Args:
        counted: whether that counts among its `MAX_RETRIES`.
    """
    with suppress(UpdateFinishedTrialError):
        storage.set_trial_user_attr(trial_id, AGAIN, counted)


def requeue_marked(study: optuna.Study, storage: BaseStorage) -> None:
    """Queue what was failed to be queued again and was not yet, as the same suggestion.

    Two machines that check at the same time may both do it; the twins are one run.
    """
    with one_at_a_time(storage):
        trials = study.get_trials(False)
        followed = {trial.system_attrs.get(FOLLOWS) for trial in trials}
        for trial in trials:
            if will_be_retried(trial) and trial.number not in followed:
                _requeue(study, trial)


def will_be_retried(trial: FrozenTrial) -> bool:
    """Whether a trial failed to be queued again, and has a retry left for that."""
    counted = trial.user_attrs.get(AGAIN)
    if trial.state != TrialState.FAIL or counted is None:
        return False
    return not counted or len(retries(trial)) < MAX_RETRIES


def retries(trial: FrozenTrial) -> list[int]:
    """The numbers of the failed trials that this one repeats, oldest first."""
    return trial.system_attrs.get(HISTORY, [])


def parameters(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters of a trial, also of one that is queued and has not started."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def count(study: optuna.Study, *states: TrialState) -> int:
    """How many trials are in one of some states."""
    return len(study.get_trials(False, states))


def one_at_a_time(storage: BaseStorage) -> AbstractContextManager[Any]:
    """In a journal no other process of this machine queues or claims meanwhile."""
    return storage.claim_lock() if isinstance(storage, Journal) else nullcontext()


def _requeue(study: optuna.Study, trial: FrozenTrial) -> None:
    history = [*retries(trial), trial.number] if trial.user_attrs[AGAIN] else retries(trial)
    origin = trial.system_attrs.get(ORIGIN, trial.number)
    again = {ORIGIN: origin, HISTORY: history, FOLLOWS: trial.number}
    # The next try has another owner, and none yet.
    attributes = {k: v for k, v in trial.user_attrs.items() if k not in (OWNER, AGAIN, WHY)}
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=attributes,
            system_attrs={**trial.system_attrs, **again},
        )
    )


def _abandoned(running: list[FrozenTrial], storage: BaseStorage) -> list[FrozenTrial]:
    """Those of the running trials that have no living worker.

    A journal that was copied from elsewhere may hold trials of another machine: they are left
    alone.
    """
    folder = _claims_folder(storage)
    if isinstance(storage, Journal):
        ownerless = [t for t in running if OWNER not in t.user_attrs]
        return ownerless + [t for t in running if claims.is_alive(t, folder) is False]
    # A home that several hosts share makes them one machine here, and locks may end at each host.
    host = socket.gethostname()
    near = [t for t in running if t.user_attrs.get(OWNER, {}).get("host") == host]
    alive = {t.number: claims.is_alive(t, folder) for t in near}
    unknown = [trial_id(t) for t in running if alive.get(t.number) is None]
    silent = storage.silent(unknown) if isinstance(storage, Database) else set()
    return [t for t in running if alive.get(t.number) is False or trial_id(t) in silent]


def _claims_folder(storage: BaseStorage) -> Path:
    """A journal is a file that all its workers share; a database's have their machine in common."""
    if isinstance(storage, Journal):
        return storage.path.parent / "claims"
    return claims.shared_folder()
