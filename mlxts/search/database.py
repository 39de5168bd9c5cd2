"""A database as a storage: whose worker is silent for too long is dead, an outage is not.

Optuna's own has three gaps. Its heartbeat ends for good at the first error, so a laptop that wakes
before its network loses its trial. A trial that was claimed by a worker which died before the
first heartbeat runs for ever. And between failing a trial and queueing it again it can be lost.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

AGAIN = "again"  # user attribute of a trial that fails and will be queued again: counts as a try?

# Seconds (the last one milliseconds) after which a connection that a sleep has cut counts as gone;
# by themselves systems wait for a quarter of an hour.
_CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

# After a laptop has slept its connections are gone: ask before using one. A file is closed after
# each call, as the journal is, so that nothing is left open when a storage is dropped.
_KEPT: dict[str, Any] = {"pool_pre_ping": True}
_CLOSED: dict[str, Any] = {"poolclass": NullPool}


class Database(RDBStorage):
    """PostgreSQL for several machines, or SQLite for one."""

    def __init__(
        self,
        address: URL,
        interval: int,
        grace: int,
        *,
        on_stale: Callable[[optuna.Study, FrozenTrial], None],
    ) -> None:
        """
        Args:
            interval: seconds between two signs of life.
            grace: seconds of silence after which a worker counts as dead.
            on_stale: told of each trial that was failed for that.

        Raises:
            ImportError: no driver for the database is installed.
            SQLAlchemyError: it cannot be reached.
        """
        postgres = address.drivername.startswith("postgresql")
        given = {k: v for k, v in _CONNECTION.items() if postgres and k not in address.query}
        super().__init__(
            address.render_as_string(hide_password=False),
            engine_kwargs={"connect_args": given, **(_KEPT if postgres else _CLOSED)},
            heartbeat_interval=interval,
            grace_period=grace,
            heartbeat_stale_trial_callback=on_stale,
        )

    def record_heartbeat(self, trial_id: int) -> None:
        """A sign of life; one that cannot be sent is left out, the next may be."""
        with contextlib.suppress(StorageInternalError, SQLAlchemyError):
            super().record_heartbeat(trial_id)

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        """The running trials whose worker is silent; each is marked before anybody fails it."""
        for trial_id in self._never_heard_of(study_id):
            # Given now on behalf of its worker, who has the grace period from here on.
            self.record_heartbeat(trial_id)
        stale = super()._get_stale_trial_ids(study_id)
        for trial_id in stale:
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                self.set_trial_user_attr(trial_id, AGAIN, True)
        return stale

    def _never_heard_of(self, study_id: int) -> list[int]:
        model = models.TrialModel
        session = self.scoped_session()
        try:
            silent = session.query(model.trial_id).filter(
                model.study_id == study_id,
                model.state == TrialState.RUNNING,
                ~model.heartbeats.any(),
            )
            return [trial_id for (trial_id,) in silent.all()]
        except SQLAlchemyError as error:
            session.rollback()
            raise StorageInternalError("the database cannot be read") from error
        finally:
            session.close()
