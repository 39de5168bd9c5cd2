"""A database as a storage: whose worker is silent for too long is dead, an outage is not.

Optuna's own heartbeats have gaps: they end for good at the first error, so a laptop that wakes
before its network loses its trial; a worker that dies before its first one is never missed; and
silence is judged by the database's clock, so that everybody looks dead once that clock was set, or
after the database was away. Here heartbeats go on through errors, and who looks silent is watched
for as long again, by the watcher's own steady clock.

A connection that breaks is made again, with growing pauses, until `PATIENCE` is used up.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Collection, Generator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from sqlalchemy import func
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from mlxts.search.optuna_internals import HeartbeatTable, with_cache

PATIENCE = 300.0  # seconds without an answer until an outage counts as the end
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds; doubled after each attempt

# Seconds (the last one milliseconds) after which a connection that a sleep has cut counts as gone;
# by themselves systems wait for a quarter of an hour.
_CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

_waits: ContextVar[bool] = ContextVar("waits for a database that is away", default=True)


@contextlib.contextmanager
def if_reachable() -> Generator[None]:
    """A block that tries a database once, and ends without an error where it is unreachable."""
    token = _waits.set(False)
    try:
        with contextlib.suppress(StorageInternalError):
            yield
    finally:
        _waits.reset(token)


@dataclass(frozen=True)
class Clock:
    """Seconds that no one sets, and waiting for some of them."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Heartbeat:
    """Seconds between two heartbeats, and after how many a silent worker counts as dead."""

    interval: int = 60
    timeout: int = 120


class _Tables(RDBStorage):
    """Optuna's, which leaves no connection behind where it cannot be opened."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except SQLAlchemyError:
            if hasattr(self, "engine"):
                self.engine.dispose()
            raise


def _with_retries(name: str) -> Callable[..., Any]:
    def method(self: "Database", *args: Any, **kwargs: Any) -> Any:
        return self.ask(lambda: getattr(self.cached, name)(*args, **kwargs))

    return method


# Every method of a storage: as Optuna's, through `Database.ask`.
_Asked: Any = type(
    "_Asked",
    (BaseStorage,),
    {
        name: _with_retries(name)
        for name, method in vars(BaseStorage).items()
        if callable(method) and not name.startswith("_")
    },
)


class Database(_Asked):
    """PostgreSQL for several machines, or SQLite for one."""

    def __init__(
        self,
        url: URL,
        heartbeat: Heartbeat,
        *,
        notify: Callable[[str], None] = lambda message: None,
        clock: Clock = Clock(),
    ) -> None:
        """
        Args:
            notify: is given a sentence before each wait.

        Raises:
            ImportError: no driver for the database is installed.
            SQLAlchemyError: it cannot be reached.
        """
        self._heartbeat, self._notify, self._clock = heartbeat, notify, clock
        self._away_since: float | None = None
        self._postgres = url.drivername.startswith("postgresql")
        # After a laptop has slept its connections are gone: ask before using one. A file is opened
        # for each call and closed after it, like the journal: nothing is left open.
        options: dict[str, Any] = {"poolclass": NullPool}
        if self._postgres:
            missing = {k: v for k, v in _CONNECTION.items() if k not in url.query}
            options = {"pool_pre_ping": True, "connect_args": missing}
        self.rdb = _Tables(url.render_as_string(hide_password=False), engine_kwargs=options)
        self.cached = with_cache(self.rdb)

    def close(self) -> None:
        """Give the database its connections back."""
        self.rdb.remove_session()
        self.rdb.engine.dispose()

    def remove_session(self) -> None:
        self.rdb.remove_session()

    @contextlib.contextmanager
    def heartbeats(self, trial_id: int) -> Generator[None]:
        """Send a heartbeat of a trial's worker every so often while the block runs."""
        over = threading.Event()

        def beat() -> None:
            while not over.is_set():
                self.record_heartbeat(trial_id)
                over.wait(self._heartbeat.interval)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def record_heartbeat(self, trial_id: int) -> None:
        """One heartbeat; one that cannot be sent is left out, the next may be."""
        with contextlib.suppress(StorageInternalError, SQLAlchemyError):
            self.rdb.record_heartbeat(trial_id)

    def silent(self, trial_ids: Collection[int]) -> set[int]:
        """Those of some running trials whose worker sends no heartbeat.

        Takes the heartbeat's timeout where there is a suspect: only who is silent while somebody
        listens is dead. One that never had any is given a first one, and the timeout from there.
        """
        timeout = self._heartbeat.timeout
        beats = self._last_heartbeats(trial_ids)
        for trial_id in set(trial_ids) - set(beats):
            self.record_heartbeat(trial_id)
        suspects = {key: beat for key, (beat, age) in beats.items() if abs(age) > timeout}
        if not suspects:
            return set()
        self._notify(
            f"no heartbeat of {len(suspects)} worker(s) for {timeout} s; listening for as long "
            "again before their work is given to others"
        )
        pause = self._heartbeat.interval / 4
        for _ in range(math.ceil(timeout / pause)):
            self._clock.sleep(pause)
            now = self._last_heartbeats(suspects)
            suspects = {k: beat for k, beat in suspects.items() if k in now and now[k][0] == beat}
            if not suspects:
                break
        return set(suspects)

    def _last_heartbeats(self, trial_ids: Collection[int]) -> dict[int, tuple[datetime, float]]:
        """The last heartbeat of each trial that had one, and how many seconds ago that was."""

        def read() -> dict[int, tuple[datetime, float]]:
            with contextlib.closing(self.rdb.scoped_session()) as session:
                now = session.execute(func.now()).scalar().replace(tzinfo=None)
                query = session.query(HeartbeatTable.trial_id, HeartbeatTable.heartbeat)
                rows = query.filter(HeartbeatTable.trial_id.in_(list(trial_ids))).all()
                return {key: (beat, (now - beat).total_seconds()) for key, beat in rows}

        return self.ask(read)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Any = None) -> bool:
        """As Optuna's; where the answer to a first attempt was lost, a second one finds it done."""
        attempts = 0

        def attempt() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                return self.cached.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                trial = self.cached.get_trial(trial_id)
                wanted = list(values) if values is not None else None
                if attempts > 1 and (trial.state, trial.values) == (state, wanted):
                    return True
                raise

        return self.ask(attempt)

    def ask(self, question: Callable[[], Any]) -> Any:
        """The answer, once the database gives one.

        Raises:
            StorageInternalError: it did not for `PATIENCE` seconds, or it is no outage.
        """
        wait = FIRST_WAIT
        while True:
            try:
                answer = question()
            except (StorageInternalError, SQLAlchemyError) as error:
                failure = _as_internal(error)
                if not (_waits.get() and self._is_outage(failure)):
                    raise failure from failure.__cause__
                now = self._clock.now()
                if self._away_since is None:
                    self._away_since = now
                left = self._away_since + PATIENCE - now
                if left <= 0:
                    raise failure from failure.__cause__
                wait = min(wait, left)
                self._notify(
                    f"cannot reach the storage ({reason(failure)}); retrying in {wait:.0f} s"
                )
                self._clock.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                if _waits.get():
                    self._away_since = None
                return answer

    def _is_outage(self, error: Exception) -> bool:
        """Whether the error may be gone at the next attempt."""
        cause = _driver_error(error)
        if not self._postgres:
            return "locked" in str(cause)
        return isinstance(cause, DBAPIError) and (
            cause.connection_invalidated or isinstance(cause, OperationalError)
        )


def reason(error: Exception) -> str:
    """Why a database does not answer: the first line of its driver's error."""
    cause = _driver_error(error)
    text = str(getattr(cause, "orig", None) or cause).strip()
    return text.splitlines()[0] if text else type(cause).__name__


def _driver_error(error: Exception) -> Exception:
    """The driver's error beneath those that Optuna and SQLAlchemy raised because of it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, DBAPIError):
        cause = cause.__cause__ or cause.__context__
    return cause or error


def _as_internal(error: Exception) -> StorageInternalError:
    """Optuna's own error for what SQLAlchemy raises while it rolls back on a broken connection."""
    if isinstance(error, StorageInternalError):
        return error
    internal = StorageInternalError("the database cannot be used")
    internal.__cause__ = error
    return internal
