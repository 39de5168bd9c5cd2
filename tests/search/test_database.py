"""A database: an outage kills nobody, and no death goes unnoticed or costs a suggestion."""

import sqlite3
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from mlxts.search import storage
from mlxts.search.database import Database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "studies.db"


@pytest.fixture
def study(file: Path) -> optuna.Study:
    store = storage.open(f"sqlite:///{file}", storage.Heartbeat(60, 120))
    return optuna.create_study(storage=store, study_name="s")


def _claimed(study: optuna.Study) -> int:
    """A trial whose worker died right after it had claimed it; its id."""
    return study._storage.create_new_trial(study._study_id)


def _execute(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file)
    with connection:
        connection.execute(statement)
    connection.close()


def _states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def test_a_file_is_closed_between_two_calls(study: optuna.Study, file: Path) -> None:
    _claimed(study)
    assert _states(study) == ["RUNNING"]
    assert str(file) not in [one.path for one in psutil.Process().open_files()]


def test_a_sign_of_life_that_cannot_be_sent_is_left_out_and_the_next_one_is_sent(
    study: optuna.Study, file: Path
) -> None:
    store, number = study._storage._backend, _claimed(study)  # behind the cache
    assert isinstance(store, Database)
    _execute(file, "ALTER TABLE trial_heartbeats RENAME TO away")
    with pytest.raises(StorageInternalError):
        super(Database, store).record_heartbeat(number)
    store.record_heartbeat(number)
    _execute(file, "ALTER TABLE away RENAME TO trial_heartbeats")
    store.record_heartbeat(number)
    assert store._never_heard_of(study._study_id) == []


def test_a_worker_that_died_before_its_first_sign_of_life_is_noticed(
    study: optuna.Study, file: Path
) -> None:
    _claimed(study)
    storage.recover(study, study._storage)
    assert _states(study) == ["RUNNING"]  # it may only just have begun
    _execute(file, "UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
    storage.recover(study, study._storage)
    assert _states(study) == ["FAIL", "WAITING"]
    assert storage.retries(study.trials[1]) == [0]


@pytest.mark.parametrize("counted", [True, False])
def test_a_trial_that_was_failed_and_not_yet_queued_again_is_found(
    study: optuna.Study, counted: bool
) -> None:
    number = _claimed(study)
    study._storage.set_trial_param(
        number, "x", 0.5, optuna.distributions.FloatDistribution(0.0, 1.0)
    )
    storage.mark(study._storage, number, counted=counted)
    study._storage.set_trial_state_values(number, TrialState.FAIL)  # and killed here
    for _ in range(2):  # once, however often it is looked for
        storage.recover(study, study._storage)
    assert _states(study) == ["FAIL", "WAITING"]
    again = study.trials[1]
    assert again.params == {"x": 0.5}
    assert storage.retries(again) == ([0] if counted else [])


def test_a_trial_that_was_given_up_is_not_queued_again(study: optuna.Study) -> None:
    study._storage.set_trial_state_values(_claimed(study), TrialState.FAIL)
    storage.recover(study, study._storage)
    assert _states(study) == ["FAIL"]
