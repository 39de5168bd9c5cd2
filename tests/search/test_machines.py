"""Several workers, real processes, one of them killed: on a journal file, and on PostgreSQL."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from mlxts.search import job_queue, sampling, space, storage, study, sweep
from tests import homes
from tests.search import postgres, studies, sweeps

# Seconds on two idle cores, minutes where they are shared with a dozen other processes.
pytestmark = pytest.mark.timeout(900)

RUNS = {"seed": [0, 1, 2], "horizon": [1, 3]}
SILENT = 30  # seconds; a worker that waits for its turn on a busy machine is not dead
HEARTBEAT = ("--heartbeat", "1", "--heartbeat-timeout", str(SILENT))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # A quarter of validation is enough: what is scored does not matter here.
    return homes.simulated(tmp_path, monkeypatch, date(2019, 6, 3), date(2023, 3, 31))


@contextmanager
def closing(store: BaseStorage) -> Generator[BaseStorage]:
    try:
        yield store
    finally:
        storage.close(store)


@pytest.fixture(scope="module")
def server() -> Generator[str]:
    with postgres.server() as one:
        yield one.url


def _kill_one_of(home: Path, url: str | None, workers: int) -> None:
    wanted = sweeps.sweep(RUNS, training__max_epochs=2, training__batch_size=128)
    with closing(storage.open(url, storage.Heartbeat(1, SILENT))) as store:
        _kill_one(sweep.create(store, wanted), url, workers)


def _kill_one(runs: optuna.Study, url: str | None, workers: int) -> None:
    where = ("--storage", url, *HEARTBEAT) if url else ()
    with sweeps.workers(workers, *where) as started:
        killed = sweeps.kill_mid_run(runs, started)
        codes = sorted(process.wait(timeout=600) for process in started)
        said = [process.communicate() for process in started]
    assert codes == [-signal.SIGKILL, *[0] * (workers - 1)], said
    sweeps.check_ledger(runs, 6, killed)


def test_two_processes_share_a_journal_and_the_killed_ones_run_is_taken_up(home: Path) -> None:
    _kill_one_of(home, None, 2)


def test_three_workers_share_postgres_and_the_killed_ones_run_is_taken_up(
    home: Path, server: str
) -> None:
    _kill_one_of(home, server, 3)


def test_two_processes_share_a_search_and_the_killed_ones_trial_is_taken_up(
    home: Path, server: str
) -> None:
    epochs = {"training": {"max_epochs": 3}}
    configuration = studies.experiment(trials=5, settings=epochs)
    with closing(storage.open(server, storage.Heartbeat(1, SILENT))) as store:
        one = study.create(store, configuration, space.read(configuration))
        arguments = ("--storage", server, *HEARTBEAT, "--study", one.study_name)
        with sweeps.workers(2, *arguments) as started:
            killed = sweeps.kill_mid_run(one, started)
            codes = sorted(process.wait(timeout=600) for process in started)
            said = [process.communicate() for process in started]
        assert codes == [-signal.SIGKILL, 0], said
        trials = one.get_trials()
        done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        # Both may claim when one trial is left; the second gives it back.
        others = [t for t in trials if t not in done and sampling.SURPLUS not in t.user_attrs]
        assert [(t.number, t.state) for t in others] == [(killed.number, TrialState.FAIL)]
        assert sorted(sampling.ordinal(one, trial) for trial in done) == list(range(5))
        (again,) = [trial for trial in done if job_queue.retries(trial)]
        assert job_queue.retries(again) == [killed.number]
        assert again.params == killed.params
        assert again.user_attrs["run_id"] == killed.user_attrs["run_id"]
        sweeps.check_resumed(again.user_attrs["run_id"])


@pytest.mark.parametrize("kind", ["journal", "postgres"])
def test_the_dashboard_opens_the_storage(
    home: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    program = Path(sys.executable).with_name("optuna-dashboard")
    if not program.exists():
        pytest.skip("optuna-dashboard is not installed")
    url = None if kind == "journal" else request.getfixturevalue("server")
    with closing(storage.open(url)) as store:
        name = sweep.create(store, sweeps.sweep({"seed": [7, 8, 9]})).study_name
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = url or str(storage.journal_path())
    process = subprocess.Popen(
        [str(program), where, "--port", str(port), "--host", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    errors = process.stderr
    try:

        def answers() -> list | None:
            assert process.poll() is None, errors.read()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies") as reply:
                    return json.load(reply)["study_summaries"]
            except urllib.error.URLError:
                return None

        listed = sweeps.until(answers)
        assert name in {one["study_name"] for one in listed}
        (number,) = [o["study_id"] for o in listed if o["study_name"] == name]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies/{number}") as reply:
            trials = json.load(reply)["trials"]
        assert [trial["state"] for trial in trials] == ["Waiting"] * 3
    finally:
        process.kill()
        process.communicate()
