"""Storages: what is queued is done once, what has died is done again, at most three times."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from mlxts.errors import SearchError
from mlxts.search import storage as storages


@pytest.fixture(params=["journal", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    return None if request.param == "journal" else f"sqlite:///{tmp_path}/studies.db"


ALIVE = storages.Heartbeat(1, 600)  # nobody is silent for so long, however busy the machine


def _study(url: str | None) -> tuple[optuna.Study, optuna.storages.BaseStorage]:
    storage = storages.open(url, ALIVE)
    return optuna.create_study(storage=storage, study_name="s", load_if_exists=True), storage


def test_a_waiting_trial_is_run_first_and_says_who_ran_it(url) -> None:
    study, storage = _study(url)
    study.enqueue_trial({"x": 2.0})
    storages.one_trial(study, storage, lambda trial: trial.suggest_float("x", 0, 3))
    (trial,) = study.trials
    assert trial.value == 2.0
    assert trial.user_attrs[storages.OWNER]["pid"] == os.getpid()


def test_an_error_fails_the_trial_and_only_an_expected_one_is_swallowed(url) -> None:
    study, storage = _study(url)

    def broken(trial: optuna.Trial) -> float:
        raise SearchError("no")

    storages.one_trial(study, storage, broken, catch=(SearchError,))
    with pytest.raises(SearchError):
        storages.one_trial(study, storage, broken)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 2
    storages.one_trial(study, storage, lambda trial: 1.0)  # no lock is left behind
    assert study.best_value == 1.0


KILLED = """
import os, signal, optuna, sys
from mlxts.search import claims, storage as storages
url = sys.argv[1] or None
storage = storages.open(url)
study = optuna.load_study(study_name="s", storage=storage)
def objective(trial):
    trial.suggest_float("x", 0, 3)
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "before its owner is known":
    claims.claim = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
storages.one_trial(study, storage, objective)
"""


def _killed(url: str | None, when: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, url or "", when], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("when", ["in its objective", "before its owner is known"])
def test_the_trial_of_a_killed_worker_waits_again(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    study, storage = _study(None)
    study.enqueue_trial({"x": 2.0})
    _killed(None, when)
    assert [t.state for t in study.trials] == [TrialState.RUNNING]
    storages.recover(study, storage)
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.WAITING]
    storages.one_trial(study, storage, lambda trial: trial.suggest_float("x", 0, 3))
    again = study.trials[1]
    assert (again.value, storages.retries(again)) == (2.0, [0])


def test_a_dead_worker_is_known_though_the_machine_has_another_name_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    study, storage = _study(None)
    study.enqueue_trial({"x": 2.0})
    _killed(None, "in its objective")
    monkeypatch.setattr(socket, "gethostname", lambda: "another-network.local")
    storages.recover(study, storage)
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.WAITING]


def test_the_trials_of_another_machine_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    study, storage = _study(None)
    trial = study.ask()
    trial.set_user_attr(storages.OWNER, {"machine": "other", "pid": 2**22, "claim": "gone"})
    storages.recover(study, storage)
    assert [t.state for t in study.trials] == [TrialState.RUNNING]


def test_a_trial_that_kills_every_worker_is_given_up_after_three_retries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    study, storage = _study(None)
    study.enqueue_trial({"x": 2.0})
    for _ in range(1 + storages.MAX_RETRY):
        _killed(None, "in its objective")
        storages.recover(study, storage)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * (1 + storages.MAX_RETRY)


def test_a_living_trial_is_left_alone(url) -> None:
    study, storage = _study(url)

    def looks_around(trial: optuna.Trial) -> float:
        other, its_storage = _study(url)
        storages.recover(other, its_storage)
        return float(len(other.trials))

    storages.one_trial(study, storage, looks_around)
    assert study.best_value == 1.0


def test_a_clock_that_is_set_does_not_make_a_living_worker_dead(
    url, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a clock is set, processes seem to have begun earlier or later than they said."""
    study, storage = _study(url)
    real, step = psutil.Process.create_time, 0.0
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + step)

    def looks_around(trial: optuna.Trial) -> float:
        nonlocal step
        step = 5.0
        other, its_storage = _study(url)
        storages.recover(other, its_storage)
        return float(len(other.trials))

    storages.one_trial(study, storage, looks_around)
    assert study.best_value == 1.0


def test_half_a_line_of_a_killed_writer_does_not_cost_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    study, _ = _study(None)
    study.enqueue_trial({"x": 1.0})
    path = tmp_path / "outputs" / "search" / "journal.log"
    with path.open("ab") as stream:
        stream.write(b'{"op_code":4,"worker')
    again, storage = _study(None)
    again.enqueue_trial({"x": 2.0})
    for _ in range(2):
        storages.one_trial(again, storage, lambda trial: trial.suggest_float("x", 0, 3))
    assert [t.value for t in _study(None)[0].trials] == [1.0, 2.0]


def test_studies_of_ours_are_found_by_kind(url) -> None:
    study, storage = _study(url)
    assert storages.study_names(storage) == []
    study.set_user_attr("kind", "sweep")
    assert storages.study_names(storage) == storages.study_names(storage, "sweep") == ["s"]
    assert storages.study_names(storage, "hpo") == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "cannot be read; write postgresql"),
        ("mysql://host/db", "mysql:// is no storage that is known here"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db?connect_timeout=2", "is the server"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_one_line_without_the_password(
    url: str, says: str
) -> None:
    with pytest.raises(SearchError, match=says) as raised:
        storages.open(url)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_without_psycopg_the_command_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SearchError, match=r'pip install "mlxts\[postgres\]"'):
        storages.open("postgresql://me@127.0.0.1:1/db")


@pytest.mark.parametrize(
    "line", [b"garbage", b"[]", b"3", b"{}", b'{"op_code": 99}', b'{"op_code": 4}', b"\xff\xfe"]
)
@pytest.mark.parametrize("more", [b"", b"behind"])
def test_a_damaged_journal_is_one_line_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, more: bytes
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    _study(None)
    path = storages.journal_path()
    whole = path.read_bytes()
    path.write_bytes(whole + line + b"\n" + (whole if more else b""))
    with pytest.raises(SearchError, match=r"journal\.log is damaged: .*move it away") as raised:
        storages.open(None)
    assert "\n" not in str(raised.value)
