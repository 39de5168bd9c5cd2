"""Where studies live: a journal file on one machine, PostgreSQL for several.

Optuna's storage is the queue. It hands out a waiting trial to one worker only, and trials whose
worker has died are failed and queued again, up to `MAX_RETRY` times. Who is dead:

- A worker of this machine that does not hold its claim any more (`claims.py`).
- One of another machine, in a database, whose heartbeats have stopped (`database.py`).
- In a journal, which one machine has: a running trial without an owner, looked at under the lock
  that a worker holds from before it claims a trial until it has written itself down.

To fail a trial and to queue it again are two writes. A trial that will be queued again is marked
before the first, so that whoever is killed between them loses nothing: `recover` finds the mark.
"""

import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

from mlxts.errors import SearchError, TakenOverError
from mlxts.files import canonical_hash, outputs_folder
from mlxts.search import address, claims, database
from mlxts.search.claims import OWNER
from mlxts.search.database import Database, if_reachable

MAX_RETRY = 3
FOLLOWS = "follows"  # system attribute of one that was: the number of the trial that it repeats
ORIGIN = "failed_trial"  # system attribute: the number of the first of them; Optuna's name
HISTORY = "retry_history"  # system attribute: the numbers of all of them; Optuna's name
AGAIN = "again"  # user attribute of a trial that fails and will be queued again: counts as a try?
WHY = "why"  # user attribute: what a failed trial died of
GIVEN_AWAY = "another worker has taken it over; what is done so far stays in the run folder"
_OPENINGS, _OPENING_SECONDS = 10, 0.2  # attempts, and the pause between two
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


def open(
    url: str | None = None,
    heartbeat: Heartbeat | None = None,
    *,
    tell: Callable[[str], None] = lambda message: None,
) -> BaseStorage:
    """The storage at `url`.

    Args:
        url: None for the journal of this workspace (outputs/search/journal.log),
            `postgresql+psycopg://user@host/database`, or `sqlite:///file` (one machine).
        heartbeat: of a database; the journal has none.
        tell: is given a sentence whenever the database lets us wait.

    Raises:
        SearchError: not a URL of these, the database cannot be reached, or psycopg is missing.
    """
    # Failures are told by our own tables; Optuna would print a traceback for each.
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    logging.getLogger("optuna").propagate = False
    if url is None:
        return Journal(journal_path())
    where = address.read(url)
    heartbeat = heartbeat or Heartbeat()
    try:
        return _database(where, heartbeat, tell)
    except ImportError as error:
        raise SearchError(f"{where.drivername} needs psycopg; run: {_INSTALL}") from error
    except SQLAlchemyError as error:
        raise SearchError(
            f"{address.name(where)} cannot be opened: "
            f"{address.without_values(database.first_line(error), where)}; {address.way_in(where)}"
        ) from error


def _database(where: URL, heartbeat: Heartbeat, tell: Callable[[str], None]) -> Database:
    for _ in range(_OPENINGS):
        with contextlib.suppress(IntegrityError, ProgrammingError):
            return Database(where, heartbeat.interval, heartbeat.grace, tell=tell)
        time.sleep(_OPENING_SECONDS)  # others are making the same tables
    return Database(where, heartbeat.interval, heartbeat.grace, tell=tell)


@contextlib.contextmanager
def opened(
    url: str | None = None,
    heartbeat: Heartbeat | None = None,
    *,
    tell: Callable[[str], None] = lambda message: None,
) -> Generator[BaseStorage]:
    """The storage at `url`, as `open` gives it, closed behind the block.

    Raises:
        SearchError: see `open`; or the database went away in the block and did not come back.
    """
    store = open(url, heartbeat, tell=tell)
    try:
        yield store
    except StorageInternalError as error:
        raise SearchError(
            f"the storage cannot be reached any more: {database.reason(error)}; what was trained "
            "stays in its run folder, start again when it is back"
        ) from error
    finally:
        close(store)


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

    Raises:
        TakenOverError: others have ended the trial meanwhile, so nobody can be told its value.
        StorageInternalError: the database went away and did not come back.
    """
    with contextlib.ExitStack() as stack:
        claiming = stack.enter_context(contextlib.ExitStack())
        claiming.enter_context(_claim_lock(storage))
        trial = study.ask()
        owner = stack.enter_context(claims.claim(_claims_folder(storage)))
        if (base := database.beneath(storage)) is not None:
            stack.enter_context(base.heartbeats(trial._trial_id))
        trial.set_user_attr(OWNER, owner)
        claiming.close()
        value, state = None, None
        failure: BaseException | None = None
        try:
            value = objective(trial)
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except (Exception, KeyboardInterrupt) as error:
            state, failure = TrialState.FAIL, error
        if isinstance(failure, KeyboardInterrupt):
            with if_reachable(), contextlib.suppress(TakenOverError):
                _tell(study, storage, trial, value, state)
            raise failure
        _tell(study, storage, trial, value, state)
        if failure is not None and not isinstance(failure, catch):
            raise failure


def unless_leaving(error: BaseException) -> contextlib.AbstractContextManager[None]:
    """Around what is told of an error: who wants to leave waits for no database that is away."""
    return if_reachable() if isinstance(error, KeyboardInterrupt) else contextlib.nullcontext()


def _tell(
    study: optuna.Study,
    storage: BaseStorage,
    trial: optuna.Trial,
    value: float | None,
    state: TrialState | None,
) -> None:
    if not is_running(storage, trial):
        raise TakenOverError(GIVEN_AWAY)
    try:
        study.tell(trial, value, state=state)
    except (UpdateFinishedTrialError, ValueError) as error:  # ended between our look and our word
        raise TakenOverError(GIVEN_AWAY) from error


def recover(study: optuna.Study, storage: BaseStorage) -> None:
    """Fail the trials whose worker has died and queue them again, at most `MAX_RETRY` times."""
    with _claim_lock(storage):
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in _abandoned(running, storage):
            mark(storage, trial._trial_id, counted=True)
            with contextlib.suppress(UpdateFinishedTrialError):
                storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        _requeue_the_marked(study)


def mark(storage: BaseStorage, trial_id: int, *, counted: bool) -> None:
    """Say of a running trial that it will be queued again once it has failed.

    Args:
        counted: whether it counts among the `MAX_RETRY` tries of a trial that fails.
    """
    with contextlib.suppress(UpdateFinishedTrialError):
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


def is_running(storage: BaseStorage, trial: optuna.Trial) -> bool:
    """Whether a claimed trial still is its worker's, and not ended by others meanwhile."""
    return storage.get_trial(trial._trial_id).state == TrialState.RUNNING


def require_ours(storage: BaseStorage, trial: optuna.Trial) -> None:
    """Raises TakenOverError: others have ended the trial meanwhile.

    While the database is away nothing is known, and nothing raised.
    """
    with if_reachable():
        if not is_running(storage, trial):
            raise TakenOverError(GIVEN_AWAY)


def retries(trial: FrozenTrial) -> list[int]:
    """The numbers of the trials that this one repeats because their worker died, oldest first."""
    return trial.system_attrs.get(HISTORY, [])


def _abandoned(running: list[FrozenTrial], storage: BaseStorage) -> list[FrozenTrial]:
    """Those of the running trials that have no living worker.

    A journal that was copied from elsewhere may hold trials of another machine: they are left
    alone.
    """
    folder = _claims_folder(storage)
    if isinstance(storage, Journal):
        nobodys = [t for t in running if OWNER not in t.user_attrs]
        return nobodys + [t for t in running if claims.is_alive(t, folder) is False]
    # A home that several hosts share makes them one machine here, and locks may end at each host.
    host = socket.gethostname()
    near = [t for t in running if t.user_attrs.get(OWNER, {}).get("host") == host]
    alive = {t.number: claims.is_alive(t, folder) for t in near}
    unknown = [t for t in running if alive.get(t.number) is None]
    base = database.beneath(storage)
    silent = base.silent([t._trial_id for t in unknown]) if base else set()
    return [t for t in running if alive.get(t.number) is False or t._trial_id in silent]


def _claim_lock(storage: BaseStorage) -> contextlib.AbstractContextManager[Any]:
    return storage.claim_lock() if isinstance(storage, Journal) else contextlib.nullcontext()


def _claims_folder(storage: BaseStorage) -> Path:
    """A journal is a file that all its workers share; a database's have their machine in common."""
    if isinstance(storage, Journal):
        return storage.path.parent / "claims"
    return claims.shared_folder()


def _requeue_the_marked(study: optuna.Study) -> None:
    """Queue what was failed to be queued again and never was.

    Two machines that look at the same moment may both do it; the twins are one run (see
    `objective.py`, `sweep_worker.py`).
    """
    trials = study.get_trials(deepcopy=False)
    followed = {trial.system_attrs.get(FOLLOWS) for trial in trials}
    for trial in trials:
        if trial.state == TrialState.FAIL and trial.number not in followed:
            requeue(study, trial)


def _require_whole_end(path: Path) -> None:
    """Raises ValueError, TypeError: the last line is not JSON. Optuna passes over it until one more
    is added, and could not read the journal after that. A line that was cut is no damage."""
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn and not torn.startswith(b"{"):
        raise ValueError("it ends in what nobody wrote")
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
