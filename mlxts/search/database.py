"""A database as a storage: whose worker is silent for too long is dead, an outage is not.

Optuna's own heartbeats have gaps: they end for good at the first error, so a laptop that wakes
before its network loses its trial; a worker that dies before its first one is never missed; and
silence is told by the database's clock, so that everybody looks dead once that clock was set, or
after the database was away. Here heartbeats go on through errors, and who looks silent is watched
for as long again, by the watcher's own steady clock.

A connection that breaks is made again, with growing pauses, until `PATIENCE` is used up.
"""

import contextlib
import functools
import math
import threading
import time
from collections.abc import Callable, Collection, Generator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import func
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

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

# After a laptop has slept its connections are gone: ask before using one. A file is opened for
# each call and closed after it, like the journal: nothing is left open when a storage is dropped.
_KEPT: dict[str, Any] = {"pool_pre_ping": True}
_CLOSED: dict[str, Any] = {"poolclass": NullPool}

_waits: ContextVar[bool] = ContextVar("waits for a database that is away", default=True)


@contextlib.contextmanager
def if_reachable() -> Generator[None]:
    """A block that asks a database once, and ends without an error where it is away."""
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


class Database(RDBStorage):
    """PostgreSQL for several machines, or SQLite for one."""

    def __init__(
        self,
        address: URL,
        interval: float,
        grace: float,
        *,
        tell: Callable[[str], None] = lambda message: None,
        clock: Clock = Clock(),
    ) -> None:
        """
        Args:
            interval: seconds between two heartbeats.
            grace: seconds of silence after which a worker counts as dead.
            tell: is given a sentence before each wait.

        Raises:
            ImportError: no driver for the database is installed.
            SQLAlchemyError: it cannot be reached.
        """
        self._interval, self._grace = interval, grace
        self._tell, self._clock = tell, clock
        self._away_since: float | None = None
        self._postgres = address.drivername.startswith("postgresql")
        given = {k: v for k, v in _CONNECTION.items() if self._postgres and k not in address.query}
        try:
            super().__init__(
                address.render_as_string(hide_password=False),
                engine_kwargs={
                    "connect_args": given,
                    **(_KEPT if self._postgres else _CLOSED),
                },
            )
        except SQLAlchemyError:
            if hasattr(self, "engine"):
                self.engine.dispose()
            raise

    @contextlib.contextmanager
    def heartbeats(self, trial_id: int) -> Generator[None]:
        """Say every `interval` seconds that the worker of a trial lives, while the block runs."""
        over = threading.Event()

        def beat() -> None:
            while not over.is_set():
                self.record_heartbeat(trial_id)
                over.wait(self._interval)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def record_heartbeat(self, trial_id: int) -> None:
        """A sign of life; one that cannot be sent is left out, the next may be."""
        with contextlib.suppress(StorageInternalError, SQLAlchemyError):
            super().record_heartbeat(trial_id)

    def silent(self, trial_ids: Collection[int]) -> set[int]:
        """Those of some running trials whose worker gives no sign of life.

        Takes `grace` seconds where there is a suspect: only who is silent while somebody listens
        is dead. One that was never heard of is given a first heartbeat, and the grace from there.
        """
        beats = self._beats(trial_ids)
        for trial_id in set(trial_ids) - set(beats):
            self.record_heartbeat(trial_id)
        suspects = {key: beat for key, (beat, age) in beats.items() if abs(age) > self._grace}
        if not suspects:
            return set()
        self._tell(
            f"no sign of life of {len(suspects)} worker(s) for {self._grace:g} s; listening for as "
            "long again before their work is given to others"
        )
        pause = self._interval / 4
        for _ in range(math.ceil(self._grace / pause)):
            self._clock.sleep(pause)
            now = self._beats(suspects)
            suspects = {k: beat for k, beat in suspects.items() if k in now and now[k][0] == beat}
            if not suspects:
                break
        return set(suspects)

    def _beats(self, trial_ids: Collection[int]) -> dict[int, tuple[Any, float]]:
        """The last heartbeat of each trial that had one, and how many seconds ago that was."""
        return self._patiently(lambda: self._read_beats(trial_ids))

    def _read_beats(self, trial_ids: Collection[int]) -> dict[int, tuple[Any, float]]:
        model = models.TrialHeartbeatModel
        with self._session() as session:
            now = session.execute(func.now()).scalar().replace(tzinfo=None)
            found = session.query(model.trial_id, model.heartbeat)
            rows = found.filter(model.trial_id.in_(list(trial_ids))).all()
            return {key: (beat, (now - beat).total_seconds()) for key, beat in rows}

    @contextlib.contextmanager
    def _session(self) -> Generator[Any]:
        session = self.scoped_session()
        try:
            yield session
        except SQLAlchemyError as error:
            raise StorageInternalError("the database cannot be read") from error
        finally:
            session.close()

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Any = None) -> bool:
        """As Optuna's; where the answer to a first attempt was lost, a second one finds it done."""
        attempts = 0

        def attempt() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                return RDBStorage.set_trial_state_values(self, trial_id, state, values)
            except UpdateFinishedTrialError:
                trial = RDBStorage.get_trial(self, trial_id)
                said = list(values) if values is not None else None
                if attempts > 1 and (trial.state, trial.values) == (state, said):
                    return True
                raise

        return self._patiently(attempt)

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """The answer, once the database gives one.

        Raises:
            StorageInternalError: it did not for `PATIENCE` seconds, or it is no outage.
        """
        wait = FIRST_WAIT
        while True:
            try:
                answer = ask()
            except (StorageInternalError, SQLAlchemyError) as error:
                trouble = _as_internal(error)
                if not (_waits.get() and self._is_outage(trouble)):
                    raise trouble from trouble.__cause__
                now = self._clock.now()
                if self._away_since is None:
                    self._away_since = now
                left = self._away_since + PATIENCE - now
                if left <= 0:
                    raise trouble from trouble.__cause__
                wait = min(wait, left)
                self._tell(f"the storage is away ({reason(trouble)}); asking again in {wait:.0f} s")
                self._clock.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                if _waits.get():
                    self._away_since = None
                return answer

    def _is_outage(self, error: StorageInternalError) -> bool:
        """Whether the error may be gone at the next attempt."""
        cause = _of_driver(error)
        if not self._postgres:
            return "locked" in str(cause)
        return isinstance(cause, DBAPIError) and (
            cause.connection_invalidated or isinstance(cause, OperationalError)
        )


def beneath(storage: BaseStorage) -> Database | None:
    """The database of a storage, also where Optuna has put its cache before it."""
    base = storage._backend if isinstance(storage, _CachedStorage) else storage
    return base if isinstance(base, Database) else None


def reason(error: StorageInternalError) -> str:
    """Why a database does not answer, in one line."""
    return first_line(_of_driver(error))


def first_line(error: Exception) -> str:
    """What the database's own driver said first."""
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _of_driver(error: Exception) -> Exception:
    """What the driver said, beneath what Optuna and SQLAlchemy said because of it."""
    beneath: BaseException | None = error
    while beneath is not None and not isinstance(beneath, DBAPIError):
        beneath = beneath.__cause__ or beneath.__context__
    return beneath or error


def _as_internal(error: Exception) -> StorageInternalError:
    """Optuna's own error for what SQLAlchemy raises while it rolls back on a broken connection."""
    if isinstance(error, StorageInternalError):
        return error
    internal = StorageInternalError("the database cannot be used")
    internal.__cause__ = error
    return internal


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def patient(self: Database, *args: Any, **kwargs: Any) -> Any:
        return self._patiently(lambda: method(self, *args, **kwargs))

    return patient


# All that Optuna, or we, ask a storage for; `set_trial_state_values` is above.
for _name in (
    "create_new_study", "delete_study", "set_study_user_attr", "set_study_system_attr",
    "get_study_id_from_name", "get_study_name_from_id", "get_study_directions",
    "get_study_user_attrs", "get_study_system_attrs", "get_all_studies",
    "_create_new_trial", "_set_trial_param", "set_trial_intermediate_value",
    "set_trial_user_attr", "set_trial_system_attr", "get_trial_id_from_study_id_trial_number",
    "get_trial", "_get_trials", "_get_best_trial_id",
):  # fmt: skip
    setattr(Database, _name, _patient(getattr(RDBStorage, _name)))
