"""The queue: what waits is done once, what has died is done again, at most three times."""

import os
import signal
import socket
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from mlxts import files, locks
from mlxts.errors import SearchError
from mlxts.runs.folder import RunFolder
from mlxts.search import claims, job_queue, jobs
from mlxts.search import storage as storages
from tests import processes
from tests.search import studies


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
    studies.do(study, storage, lambda trial: trial.suggest_float("x", 0, 3))
    (trial,) = study.trials
    assert trial.value == 2.0
    assert trial.user_attrs[claims.OWNER]["pid"] == os.getpid()


def test_an_error_fails_the_trial_and_one_of_the_program_is_raised_again(url) -> None:
    study, storage = _study(url)

    def broken(error: Exception) -> Callable[[optuna.Trial], float]:
        def objective(trial: optuna.Trial) -> float:
            raise error

        return objective

    outcome = studies.do(study, storage, broken(SearchError("no")))
    assert outcome is not None
    assert (outcome.state, outcome.why) == ("failed", "no")
    with pytest.raises(ZeroDivisionError):
        studies.do(study, storage, broken(ZeroDivisionError("by zero")))
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 2
    assert [t.user_attrs[job_queue.WHY] for t in study.trials] == [
        "no", "ZeroDivisionError('by zero')",
    ]  # fmt: skip
    studies.do(study, storage, lambda trial: 1.0)  # no lock is left behind
    assert study.best_value == 1.0


def _die(url: str | None, when: str, home: str) -> None:
    """Claim the waiting trial, and be killed: called in a process of its own."""
    os.environ["MLXTS_HOME"] = home

    def killed(*_: object) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    if when == "before its owner is known":
        pytest.MonkeyPatch().setattr(claims, "claim", killed)
    storage = storages.open(url)
    studies.do(optuna.load_study(study_name="s", storage=storage), storage, killed)


def _killed(url: str | None, when: str) -> None:
    process = processes.fork(_die, url, when, os.environ["MLXTS_HOME"])
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("when", ["in its objective", "before its owner is known"])
def test_the_trial_of_a_killed_worker_waits_again(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    study, storage = _study(None)
    study.enqueue_trial({"x": 2.0})
    _killed(None, when)
    assert [t.state for t in study.trials] == [TrialState.RUNNING]
    job_queue.recover(study, storage)
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.WAITING]
    studies.do(study, storage, lambda trial: trial.suggest_float("x", 0, 3))
    again = study.trials[1]
    assert (again.value, job_queue.retries(again)) == (2.0, [0])


def test_a_dead_worker_is_known_though_the_machine_has_another_name_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    study, storage = _study(None)
    study.enqueue_trial({"x": 2.0})
    _killed(None, "in its objective")
    monkeypatch.setattr(socket, "gethostname", lambda: "another-network.local")
    job_queue.recover(study, storage)
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.WAITING]


def test_the_trials_of_another_machine_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    study, storage = _study(None)
    trial = study.ask()
    trial.set_user_attr(claims.OWNER, {"machine": "other", "pid": 2**22, "claim": "gone"})
    job_queue.recover(study, storage)
    assert [t.state for t in study.trials] == [TrialState.RUNNING]


def test_a_trial_that_kills_every_worker_is_given_up_after_three_retries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    study, storage = _study(None)
    study.enqueue_trial({"x": 2.0})
    for _ in range(1 + job_queue.MAX_RETRIES):
        _killed(None, "in its objective")
        job_queue.recover(study, storage)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * (1 + job_queue.MAX_RETRIES)


def test_a_living_trial_is_left_alone(url) -> None:
    study, storage = _study(url)

    def looks_around(trial: optuna.Trial) -> float:
        other, its_storage = _study(url)
        job_queue.recover(other, its_storage)
        return float(len(other.trials))

    studies.do(study, storage, looks_around)
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
        job_queue.recover(other, its_storage)
        return float(len(other.trials))

    studies.do(study, storage, looks_around)
    assert study.best_value == 1.0


def _waiting(study: optuna.Study, x: float, run_id: str) -> Path:
    """Queue a trial whose run has begun; returns the folder of that run."""
    study.enqueue_trial({"x": x}, user_attrs={job_queue.RUN_ID: run_id})
    folder = files.runs_folder() / run_id
    folder.mkdir(parents=True)
    return folder


def test_what_goes_on_from_a_checkpoint_of_this_machine_goes_first_and_what_others_hold_waits(
    url,
) -> None:
    study, storage = _study(url)
    held = _waiting(study, 0.0, "held")
    _waiting(study, 1.0, "elsewhere")
    for folder in (held, _waiting(study, 2.0, "here")):
        (folder / "checkpoint").mkdir()
    with locks.hold(RunFolder(held).lock):
        for _ in range(2):
            studies.do(study, storage, lambda trial: trial.suggest_float("x", 0, 3))
    assert [t.number for t in sorted(study.trials, key=_began) if t.value is not None] == [2, 1]
    studies.do(study, storage, lambda trial: trial.suggest_float("x", 0, 3))
    assert [t.value for t in study.trials] == [0.0, 1.0, 2.0]


def _began(trial: optuna.trial.FrozenTrial) -> datetime:
    return trial.datetime_start or datetime.max


@pytest.mark.parametrize(
    ("finished", "twin"), [((TrialState.COMPLETE,), None), ((TrialState.PRUNED,), 0)]
)
def test_a_twin_is_of_the_same_parameters_and_in_a_state_that_counts(url, finished, twin) -> None:
    study, storage = _study(url)
    for x in (1.0, 2.0, 1.0):
        study.enqueue_trial({"x": x}, user_attrs={job_queue.RUN_ID: str(x)})

    def pruned(trial: optuna.Trial) -> float:
        trial.suggest_float("x", 0, 3)
        raise optuna.TrialPruned

    seen: list[int | None] = []

    def looks(job: jobs.Job) -> float:
        job.trial.suggest_float("x", 0, 3)
        other = job.find_twin(*finished)
        seen.append(other.number if other else None)
        return 0.0

    for _ in range(2):
        studies.do(study, storage, pruned)
    jobs.work(study, storage, looks)
    assert seen == [twin]
