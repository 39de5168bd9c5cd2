"""A database: an outage kills nobody, and no death goes unnoticed or costs a suggestion."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, PendingRollbackError

from mlxts.search import claims, database, job_queue
from mlxts.search.database import Clock, Database, Heartbeat
from tests.search import studies

INTERVAL, TIMEOUT = 60, 120


class _Time:
    """Seconds that pass when somebody sleeps; what happens meanwhile is done then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleepers: list[threading.Thread] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleepers.append(threading.current_thread())
        self.meanwhile()

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


@pytest.fixture
def time() -> _Time:
    return _Time()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "studies.db"


@pytest.fixture
def store(file: Path, time: _Time, told: list[str]) -> Database:
    address = make_url(f"sqlite:///{file}?timeout=0.01")
    return Database(address, Heartbeat(INTERVAL, TIMEOUT), notify=told.append, clock=time.clock)


@pytest.fixture
def study(store: Database) -> optuna.Study:
    return optuna.create_study(storage=store, study_name="s")


def _claimed(study: optuna.Study) -> int:
    """A trial whose worker died right after it had claimed it; its id."""
    return study._storage.create_new_trial(study._study_id)


def _execute(file: Path, statement: str) -> list[tuple]:
    connection = sqlite3.connect(file)
    with connection:
        rows = connection.execute(statement).fetchall()
    connection.close()
    return rows


def _states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def test_a_file_is_closed_between_two_calls(study: optuna.Study, file: Path) -> None:
    _claimed(study)
    assert _states(study) == ["RUNNING"]
    assert str(file) not in [one.path for one in psutil.Process().open_files()]


def test_a_sign_of_life_that_cannot_be_sent_is_left_out_and_the_next_one_is_sent(
    study: optuna.Study, store: Database, file: Path
) -> None:
    number = _claimed(study)
    _execute(file, "ALTER TABLE trial_heartbeats RENAME TO away")
    with pytest.raises(StorageInternalError):
        store.rdb.record_heartbeat(number)
    store.record_heartbeat(number)
    _execute(file, "ALTER TABLE away RENAME TO trial_heartbeats")
    store.record_heartbeat(number)
    assert _execute(file, "SELECT trial_id FROM trial_heartbeats") == [(number,)]


@pytest.mark.parametrize("clock", ["-1 hour", "+1 hour"], ids=["silent", "set back"])
def test_a_worker_that_died_before_its_first_sign_of_life_is_noticed(
    study: optuna.Study, file: Path, clock: str, time: _Time, told: list[str]
) -> None:
    _claimed(study)
    job_queue.recover(study, study._storage)
    assert _states(study) == ["RUNNING"]  # it may only just have begun
    assert (time.now, told) == (0, [])
    _execute(file, f"UPDATE trial_heartbeats SET heartbeat = datetime('now', '{clock}')")
    job_queue.recover(study, study._storage)
    assert _states(study) == ["FAIL", "WAITING"]
    assert job_queue.retries(study.trials[1]) == [0]
    assert time.now >= TIMEOUT
    assert len(told) == 1


@pytest.mark.parametrize("clock", ["-1 hour", "+1 hour"], ids=["set forward", "set back"])
def test_a_clock_that_is_set_or_a_long_outage_kills_nobody_who_gives_signs_of_life(
    study: optuna.Study, store: Database, file: Path, clock: str, time: _Time
) -> None:
    alive, dead = _claimed(study), _claimed(study)
    for number in (alive, dead):
        store.record_heartbeat(number)
    _execute(file, f"UPDATE trial_heartbeats SET heartbeat = datetime('now', '{clock}')")

    def beats() -> None:
        if time.now >= INTERVAL:
            store.record_heartbeat(alive)

    time.meanwhile = beats
    job_queue.recover(study, store)
    assert _states(study) == ["RUNNING", "FAIL", "WAITING"]


def test_a_worker_of_this_machine_is_known_without_any_clock(
    study: optuna.Study, store: Database, file: Path, told: list[str]
) -> None:
    """Alive as long as it holds its claim, dead as soon as it does not."""

    def looks_around(trial: optuna.Trial) -> float:
        _execute(file, "UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
        job_queue.recover(study, store)
        return float(len(study.trials))

    studies.do(study, store, looks_around)
    assert study.best_value == 1.0
    trial = study.ask()
    trial.set_user_attr(claims.OWNER, study.trials[0].user_attrs[claims.OWNER])
    store.record_heartbeat(trial._trial_id)
    job_queue.recover(study, store)
    assert _states(study) == ["COMPLETE", "FAIL", "WAITING"]
    assert not any("heartbeat" in line for line in told)  # nobody had to listen


@pytest.mark.parametrize("counted", [True, False])
def test_a_trial_that_was_failed_and_not_yet_queued_again_is_found(
    study: optuna.Study, counted: bool
) -> None:
    number = _claimed(study)
    study._storage.set_trial_param(
        number, "x", 0.5, optuna.distributions.FloatDistribution(0.0, 1.0)
    )
    job_queue.mark(study._storage, number, counted=counted)
    study._storage.set_trial_state_values(number, TrialState.FAIL)  # and killed here
    for _ in range(2):  # once, however often it is looked for
        job_queue.recover(study, study._storage)
    assert _states(study) == ["FAIL", "WAITING"]
    again = study.trials[1]
    assert again.params == {"x": 0.5}
    assert job_queue.retries(again) == ([0] if counted else [])


def test_a_trial_that_was_given_up_is_not_queued_again(study: optuna.Study) -> None:
    study._storage.set_trial_state_values(_claimed(study), TrialState.FAIL)
    job_queue.recover(study, study._storage)
    assert _states(study) == ["FAIL"]


def _lock(file: Path) -> sqlite3.Connection:
    """Keep everybody else out of the database, until the connection is closed."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    return other


def test_a_database_that_is_away_is_asked_again_and_the_user_is_told(
    study: optuna.Study, store: Database, file: Path, time: _Time, told: list[str]
) -> None:
    number, away = _claimed(study), _lock(file)

    def comes_back() -> None:
        if time.now > 20:
            away.close()

    time.meanwhile = comes_back
    assert store.set_trial_state_values(number, TrialState.COMPLETE, [0.5])
    assert study.best_value == 0.5
    waits = [float(line.split(" in ")[1].split()[0]) for line in told]
    assert waits == [1, 2, 4, 8, 16]
    assert all("database is locked" in line for line in told)


def test_a_database_that_stays_away_is_an_error_after_a_while_and_then_at_once(
    study: optuna.Study, store: Database, file: Path, time: _Time
) -> None:
    number, away = _claimed(study), _lock(file)
    with pytest.raises(StorageInternalError):
        store.get_trial(number)
    assert time.now == database.PATIENCE
    with pytest.raises(StorageInternalError):
        store.get_trial(number)
    assert time.now == database.PATIENCE
    away.close()
    assert store.get_trial(number).number == 0
    away = _lock(file)  # the next outage is another one
    with pytest.raises(StorageInternalError):
        store.get_trial(number)
    assert time.now == 2 * database.PATIENCE
    away.close()


def test_who_only_looks_does_not_wait(
    study: optuna.Study, store: Database, file: Path, time: _Time
) -> None:
    number, away = _claimed(study), _lock(file)
    seen: list[int] = []
    with database.if_reachable():
        seen.append(store.get_trial(number).number)
    assert (seen, time.now) == ([], 0)
    away.close()
    with database.if_reachable():
        seen.append(store.get_trial(number).number)
    assert seen == [0]


def test_who_leaves_does_not_wait_and_the_trial_is_not_lost(
    study: optuna.Study, store: Database, file: Path, time: _Time
) -> None:
    away: list[sqlite3.Connection] = []

    def interrupted(trial: optuna.Trial) -> float:
        away.append(_lock(file))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        studies.do(study, store, interrupted)
    assert threading.current_thread() not in time.sleepers  # a heartbeat's thread may have waited
    away[0].close()
    job_queue.recover(study, store)
    assert _states(study) == ["FAIL", "WAITING"]


def test_a_result_whose_receipt_was_lost_is_not_taken_for_another_workers(
    study: optuna.Study, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database had written it when the connection broke, so a second attempt finds it done."""
    real, broken = RDBStorage.set_trial_state_values, []
    locked = OperationalError("", {}, sqlite3.OperationalError("database is locked"))

    def breaks(self: RDBStorage, *told: Any, **named: Any) -> bool:
        answer = real(self, *told, **named)
        if not broken:
            broken.append(True)
            raise StorageInternalError from locked
        return answer

    number = _claimed(study)
    monkeypatch.setattr(RDBStorage, "set_trial_state_values", breaks)
    assert store.set_trial_state_values(number, TrialState.COMPLETE, [0.5])
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        store.set_trial_state_values(number, TrialState.FAIL)
    assert study.best_value == 0.5


def test_an_outage_is_known_beneath_what_was_said_because_of_it(
    study: optuna.Study, store: Database, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    """Optuna asks once more in a transaction that the outage has broken."""
    real, broken = RDBStorage.set_trial_state_values, []
    locked = OperationalError("", {}, sqlite3.OperationalError("database is locked"))
    after = PendingRollbackError("cannot go on")
    after.__context__ = locked

    def breaks(self: RDBStorage, *told: Any, **named: Any) -> bool:
        if not broken:
            broken.append(True)
            raise StorageInternalError from after
        return real(self, *told, **named)

    monkeypatch.setattr(RDBStorage, "set_trial_state_values", breaks)
    assert store.set_trial_state_values(_claimed(study), TrialState.COMPLETE, [0.5])
    assert "(database is locked)" in told[0]


def test_an_error_that_is_no_outage_is_not_waited_for(
    study: optuna.Study, store: Database, file: Path, time: _Time
) -> None:
    number = _claimed(study)
    _execute(file, "ALTER TABLE trials RENAME TO gone")
    with pytest.raises(StorageInternalError):
        store.get_trial(number)
    assert time.now == 0
