"""PostgreSQL that restarts, or is gone for good, under a worker: at each moment, for real."""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.storages import BaseStorage

from benchmarks.postgres import Server
from mlxts.errors import SearchError
from mlxts.search import database, job_queue, jobs, storage
from mlxts.search.jobs import Job
from tests.search import postgres, studies

psycopg = pytest.importorskip("psycopg")
AWAY = 0.5  # seconds


@pytest.fixture(scope="module")
def server() -> Generator[Server]:
    with postgres.server() as one:
        yield one


@pytest.fixture(autouse=True)
def short(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(database, "LONGEST_WAIT", 0.2)
    if not server.runs:
        server.start()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def store(server: Server, told: list[str]) -> Generator[BaseStorage]:
    opened = storage.open(server.url, storage.Heartbeat(1, 600), notify=told.append)
    yield opened
    storage.close(opened)


@pytest.fixture
def study(store: BaseStorage, request: pytest.FixtureRequest) -> optuna.Study:
    return optuna.create_study(storage=store, study_name=request.node.name)


def _restarts(server: Server) -> threading.Thread:
    """Stop the server now, and start it after a while."""
    server.stop()
    thread = threading.Timer(AWAY, server.start)
    thread.start()
    return thread


def _states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def _before_claim(study: optuna.Study, store: BaseStorage, down: Callable[[], object]) -> None:
    down()
    studies.do(study, store, lambda trial: 0.5)


def _in_training(study: optuna.Study, store: BaseStorage, down: Callable[[], object]) -> None:
    def objective(job: Job) -> float:
        down()
        job.require_ours()  # nobody waits for this
        return 0.5

    jobs.work(study, store, objective, samples=True)


def _while_told_of_parameters(
    study: optuna.Study, store: BaseStorage, down: Callable[[], object]
) -> None:
    def objective(trial: optuna.Trial) -> float:
        down()
        return trial.suggest_float("x", 0.5, 0.5)

    studies.do(study, store, objective)


MOMENTS = [_before_claim, _in_training, _while_told_of_parameters]


def test_workers_that_open_a_new_database_at_once_all_open_it(server: Server) -> None:
    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    url = server.url.replace("/postgres?", "/fresh?")
    together = threading.Barrier(6)

    def opens(_: int) -> list[str]:
        together.wait()
        with storage.opened(url) as store:
            return storage.study_names(store)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(opens, range(6))) == [[]] * 6


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_restart_is_waited_out_and_the_trial_is_done(
    server: Server, study: optuna.Study, store: BaseStorage, moment, told: list[str]
) -> None:
    threads: list[threading.Thread] = []
    moment(study, store, lambda: threads.append(_restarts(server)))
    threads[0].join()
    assert _states(study) == ["COMPLETE"]
    assert study.best_value == 0.5
    assert told
    assert all("cannot reach the storage" in line and "\n" not in line for line in told)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_database_that_is_gone_for_good_is_one_line_and_its_trial_waits_again(
    server: Server, request: pytest.FixtureRequest, moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.5)
    name = request.node.name
    with (
        pytest.raises(SearchError, match=r"cannot be reached any more: .*start again") as raised,
        storage.opened(server.url, storage.Heartbeat(1, 600)) as store,
    ):
        study = optuna.create_study(storage=store, study_name=name)
        moment(study, store, server.stop)
    assert "\n" not in str(raised.value)
    server.start()
    with storage.opened(server.url) as store:
        study = optuna.load_study(storage=store, study_name=name)
        job_queue.recover(study, store)
        studies.do(study, store, lambda trial: 0.5)
        states = _states(study)
        assert states.count("COMPLETE") == 1
        assert set(states) <= {"COMPLETE", "FAIL"}
