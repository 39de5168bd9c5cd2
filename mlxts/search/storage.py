"""Where studies live: a journal file on one machine, PostgreSQL for several.

Optuna's storage is the queue. It hands out a waiting trial to one worker only, and trials whose
worker has died are failed and queued again, up to `MAX_RETRY` times:

- A database sees the dead by their heartbeat, which Optuna sends from inside `Study.optimize`
  (`database.py`).
- The journal has no heartbeat, but one machine can look at its own processes. Every trial
  therefore says who runs it, and a trial is claimed under a lock, so that whoever holds the lock
  knows: a running trial without a living owner has been abandoned.

To fail a trial and to queue it again are two writes. A trial that will be queued again is marked
before the first, so that whoever is killed between them loses nothing: `recover` finds the mark.
"""

import contextlib
import json
import logging
import os
import socket
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import psutil
from filelock import FileLock
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from mlxts.errors import SearchError
from mlxts.files import canonical_hash, outputs_folder
from mlxts.search.database import AGAIN, Database
from mlxts.search.machine import machine

MAX_RETRY = 3
OWNER = "owner"  # the user attribute of a trial that says which process runs it
FOLLOWS = "follows"  # system attribute of one that was: the number of the trial that it repeats
ORIGIN = "failed_trial"  # system attribute: the number of the first of them; Optuna's name
WHY = "why"  # user attribute: what a failed trial died of
_INSTALL = 'pip install "mlxts[postgres]"'

Objective = Callable[[optuna.Trial], float]


@dataclass(frozen=True)
class Heartbeat:
    """Seconds between two signs of life, and after how many a silent worker counts as dead."""

    interval: int = 60
    grace: int = 120


class Journal(JournalStorage):
    """Studies in one file, for the processes of one machine."""

    def __init__(self, path: Path) -> None:
        """Raises SearchError: the file is damaged."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        try:
            super().__init__(JournalFileBackend(str(path), lock_obj=_Lock(path)))
            _require_whole_end(path)
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
            raise SearchError(
                f"{path} is damaged: {' '.join(str(error).split()) or type(error).__name__}; "
                "restore it from a backup, or move it away and start again: runs that are done "
                "stay in outputs/runs and are not trained again"
            ) from error

    def claim_lock(self) -> FileLock:
        """Held from before a trial is claimed until its owner is written down."""
        return FileLock(self.path.with_suffix(".claim.lock"))


class _Lock(JournalFileOpenLock):
    """A lock that the kernel releases when its holder is killed; Optuna's own outlives it by 30 s.

    A killed writer can also leave half a line, which would make the whole journal unreadable as
    soon as another is appended; it is cut off before anybody writes.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._lock = FileLock(path.with_suffix(".lock"))

    def acquire(self) -> bool:
        self._lock.acquire()
        _cut_torn_line(self._path)
        return True

    def release(self) -> None:
        self._lock.release()


def open(url: str | None = None, heartbeat: Heartbeat | None = None) -> BaseStorage:
    """The storage at `url`.

    Args:
        url: None for the journal of this workspace (outputs/search/journal.log),
            `postgresql+psycopg://user@host/database`, or `sqlite:///file` (one machine).
        heartbeat: of a database; the journal has none.

    Raises:
        SearchError: not a URL of these, the database cannot be reached, or psycopg is missing.
    """
    # Failures are told by our own tables; Optuna would print a traceback for each.
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    logging.getLogger("optuna").propagate = False
    if url is None:
        return Journal(journal_path())
    address = _address(url)
    heartbeat = heartbeat or Heartbeat()
    try:
        with _experimental_is_fine():
            return Database(address, heartbeat.interval, heartbeat.grace, on_stale=_retry)
    except ImportError as error:
        raise SearchError(f"{address.drivername} needs psycopg; run: {_INSTALL}") from error
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise SearchError(
            f"{address} cannot be opened: {reason}; is the server running, and does it let "
            "this machine in?"
        ) from error


def unreachable(error: StorageInternalError) -> SearchError:
    """What to say when a database has gone away for good."""
    reason = str(error.__cause__ or error).strip().splitlines()[0]
    return SearchError(
        f"the storage cannot be reached any more: {reason}; what was trained stays in its run "
        "folder, start again when it is back"
    )


def close(storage: BaseStorage) -> None:
    """Give a database its connections back; a journal has nothing open between two calls."""
    if isinstance(storage, Database):
        storage.remove_session()
        storage.engine.dispose()


def journal_path() -> Path:
    """Where this workspace's journal is, if it has one."""
    return outputs_folder() / "search" / "journal.log"


def study_name(kind: str, name: str, identity: Any) -> str:
    """`<kind>-<name>-<hash10>`: the same work gets the same study on every machine."""
    return f"{kind}-{name}-{canonical_hash(identity)[:10]}"


def study_names(storage: BaseStorage, kind: str | None = None) -> list[str]:
    """The studies in a storage whose user attribute `kind` is that one; all kinds of ours if None.

    Returns:
        Names, oldest study first.
    """
    return [
        study.study_name
        for study in storage.get_all_studies()
        if (study.user_attrs.get("kind") == kind if kind else "kind" in study.user_attrs)
    ]


def one_trial(
    study: optuna.Study,
    storage: BaseStorage,
    objective: Objective,
    catch: tuple[type[Exception], ...] = (),
) -> None:
    """Run exactly one trial, a waiting one first, and write down who runs it.

    Args:
        study: made with `storage`.
        catch: errors that fail the trial and not the caller; any other is raised again.
    """
    with contextlib.ExitStack() as claiming:
        if isinstance(storage, Journal):
            claiming.enter_context(storage.claim_lock())

        def owned(trial: optuna.Trial) -> float:
            trial.set_user_attr(OWNER, owner())
            claiming.close()
            return objective(trial)

        study.optimize(owned, n_trials=1, catch=catch)


def recover(study: optuna.Study, storage: BaseStorage) -> None:
    """Fail the trials whose worker has died and queue them again, at most `MAX_RETRY` times."""
    with _experimental_is_fine():
        if not isinstance(storage, Journal):
            optuna.storages.fail_stale_trials(study)
            _requeue_the_marked(study)
            return
        with storage.claim_lock():
            for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                if _abandoned(trial):
                    mark(storage, trial._trial_id, counted=True)
                    study.tell(trial.number, state=TrialState.FAIL)
            _requeue_the_marked(study)


def mark(storage: BaseStorage, trial_id: int, *, counted: bool) -> None:
    """Say of a running trial that it will be queued again once it has failed.

    Args:
        counted: whether it counts among the `MAX_RETRY` tries of a trial that fails.
    """
    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
        storage.set_trial_user_attr(trial_id, AGAIN, counted)


def requeue(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a failed trial again, as the same suggestion, if it is marked and has tries left."""
    counted = trial.user_attrs.get(AGAIN)
    if counted is None:
        return
    history = retries(trial)
    if counted:
        history = [*history, trial.number]
        if len(history) > MAX_RETRY:
            return
    origin = trial.system_attrs.get(ORIGIN, trial.number)
    again = {ORIGIN: origin, "retry_history": history, FOLLOWS: trial.number}
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


def is_running(storage: BaseStorage, trial: optuna.Trial) -> bool:
    """Whether a claimed trial still is its worker's, and not ended by others meanwhile."""
    return storage.get_trial(trial._trial_id).state == TrialState.RUNNING


def retries(trial: FrozenTrial) -> list[int]:
    """The numbers of the trials that this one repeats because their worker died, oldest first."""
    with _experimental_is_fine():
        return optuna.storages.RetryHeartbeatStaleTrialCallback.retry_history(trial)


def owner() -> dict[str, Any]:
    """This process: its machine, pid, and when it started (pids are used again)."""
    process = psutil.Process()
    return {
        "host": socket.gethostname(),  # for people: it may change with the network
        "machine": machine(),
        "pid": process.pid,
        "started": process.create_time(),
    }


def _abandoned(trial: FrozenTrial) -> bool:
    """Whether a running trial, looked at under the claim lock, has no living owner.

    A journal that was copied from elsewhere may hold trials of another machine: they are left
    alone.
    """
    running = trial.user_attrs.get(OWNER)
    if running is None:
        return True
    if running.get("machine", machine()) != machine():
        return False
    try:
        process = psutil.Process(running["pid"])
        zombie = process.status() == psutil.STATUS_ZOMBIE  # dead, though nobody has asked after it
        return zombie or process.create_time() != running["started"]
    except psutil.NoSuchProcess:
        return True


def _retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """What Optuna calls for a trial that it has failed because its worker was silent."""
    _requeue_the_marked(study)


def _requeue_the_marked(study: optuna.Study) -> None:
    """Queue what was failed to be queued again and never was.

    Two machines that look at the same moment may both do it; the twins are one run (see
    `objective.py`, `one_run.py`).
    """
    trials = study.get_trials(deepcopy=False)
    followed = {trial.system_attrs.get(FOLLOWS) for trial in trials}
    for trial in trials:
        if trial.state == TrialState.FAIL and trial.number not in followed:
            requeue(study, trial)


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise SearchError(
            f"{url} is no storage; write postgresql+psycopg://user@host/database, "
            "sqlite:///file, or leave it out for a journal file"
        ) from error
    # What people paste, and what SQLAlchemy would look for another driver for.
    if address.drivername in ("postgres", "postgresql"):
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername not in ("postgresql+psycopg", "sqlite"):
        raise SearchError(
            f"{address.drivername} is no storage that is known here; use postgresql+psycopg:// "
            "for several machines, or leave it out for a journal file on one"
        )
    return address


def _require_whole_end(path: Path) -> None:
    """Raises ValueError: the last line is not JSON. Optuna passes over it until one more is added,
    and could not read the journal after that."""
    whole = path.read_bytes().rpartition(b"\n")[0]
    if whole and not isinstance(json.loads(whole.rpartition(b"\n")[2]), dict):
        raise TypeError("its last line is no JSON object")


def _cut_torn_line(path: Path) -> None:
    with path.open("rb+") as stream:
        size = stream.seek(0, os.SEEK_END)
        if not size:
            return
        stream.seek(size - 1)
        if stream.read(1) == b"\n":
            return
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)


@contextlib.contextmanager
def _experimental_is_fine() -> Generator[None]:
    """Optuna calls heartbeats and retries experimental; what they do is pinned by tests here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
