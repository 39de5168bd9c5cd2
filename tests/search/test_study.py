"""A study is continued, halted, killed and ended without losing a trial."""

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from mlxts.errors import DeviceError, SearchError, StorageError
from mlxts.search import claims, job_queue, sampling, space, storage, study, train_validation_data
from mlxts.search.job_queue import RUN_ID
from mlxts.search.jobs import Job, Listen
from mlxts.training import events
from mlxts.training.events import EpochEvent, Event, Listener, StepEvent, StopEvent
from mlxts.training.plan import Plan
from tests import homes, processes
from tests.search import studies

EPOCHS = {"training": {"max_epochs": 2}}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        return homes.simulated(tmp_path_factory.mktemp("home"), patch)


@pytest.fixture
def home(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of its own with the same data."""
    shutil.copytree(workspace / "data", tmp_path / "data")
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    train_validation_data._last.clear()
    return tmp_path


def _told(one: optuna.Study) -> list[tuple[Any, ...]]:
    """What came of every suggestion, in the order of suggestion."""
    ended = [t for t in one.get_trials() if t.state in study.FINISHED]
    ended.sort(key=lambda trial: sampling.ordinal(one, trial))
    return [(t.params, t.state, t.value, t.intermediate_values) for t in ended]


def _live(home: str, kind: str, count: int) -> None:
    """Work on the study until the n-th event of a kind, then die as by a power cut."""
    os.environ["MLXTS_HOME"] = home
    configuration, store = killed(), storage.open()
    one = study.create(store, configuration, space.read(configuration))

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    study.run_all(one, store, listen=studies.at(getattr(events, kind), count, die))


DEATHS = [
    ("StepEvent", 7),  # in the first epoch of the first trial, before any report
    ("EpochEvent", 2),  # the epoch is over, its checkpoint is not written
    ("CheckpointEvent", 4),
    ("StartEvent", 2),  # between two trials
    ("StopEvent", 1),  # trained, but neither scored nor told
]


def killed():
    return studies.experiment(trials=5, startup_trials=2, pruner="hyperband", settings=EPOCHS)


def test_five_kills_change_no_trial_and_no_value(home: Path) -> None:
    for kind, count in DEATHS:
        life = processes.fork(_live, str(home), kind, count)
        life.join(300)
        assert life.exitcode == -signal.SIGKILL
    store = storage.open()
    broken = study.load(store, "hpo-small")
    assert study.run_all(broken, store) == "all 5 trials are done"
    states = [trial.state for trial in broken.trials]
    assert states.count(TrialState.FAIL) == len(DEATHS)
    assert TrialState.RUNNING not in states
    assert TrialState.WAITING not in states
    told = _told(broken)
    shutil.rmtree(home / "outputs")
    straight, unbroken = studies.begin(killed())
    assert straight.study_name == broken.study_name
    study.run_all(straight, unbroken)
    assert len(told) == 5
    assert told == _told(straight)


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def in_background() -> Iterator[None]:
    """A shell starts such jobs with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("in_background")
def test_ctrl_c_ends_cleanly_and_the_trial_goes_on_where_it_stopped(home: Path) -> None:
    configuration = studies.experiment(trials=1, settings=EPOCHS)
    one, store = studies.begin(configuration)
    seen: list[Event] = []
    assert study.run_all(one, store, listen=studies.at(StepEvent, 5, _interrupt)) == "interrupted"
    halted, waiting = one.trials
    assert (halted.state, waiting.state) == (TrialState.FAIL, TrialState.WAITING)
    assert waiting.params == halted.params
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert study.work(one, store, studies.watched(seen.append)) is not None
    steps = [event.step for event in seen if isinstance(event, StepEvent)]
    assert steps[0] == 7  # step 6 had begun when the results of step 5 were read
    assert one.trials[1].state == TrialState.COMPLETE
    assert one.trials[1].user_attrs[RUN_ID] == halted.user_attrs[RUN_ID]


def _when_it_begins(action: Callable[[], object], then: Listener = lambda event: None) -> Listen:
    """Do something when a trial is about to train."""

    def listen(job: Job, plan: Plan) -> AbstractContextManager[Listener]:
        action()
        return nullcontext(then)

    return listen


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_training_is_not_kept_for_its_end(home: Path, number: int) -> None:
    one, store = studies.begin(studies.experiment(trials=1))
    seen: list[Event] = []
    listen = _when_it_begins(lambda: os.kill(os.getpid(), number), seen.append)
    assert study.run_all(one, store, listen) == "interrupted"
    assert not any(isinstance(event, StepEvent) for event in seen)
    assert [t.state.name for t in one.trials] == ["FAIL", "WAITING"]
    assert job_queue.retries(one.trials[1]) == []


def _raise_interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "listen",
    [
        lambda: _when_it_begins(_raise_interrupt),
        lambda: studies.at(StopEvent, 1, _raise_interrupt),
    ],
    ids=["before training", "before scoring"],
)
def test_an_interrupted_worker_puts_its_trial_back(home: Path, listen: Any) -> None:
    one, store = studies.begin(studies.experiment(trials=1))
    with pytest.raises(KeyboardInterrupt):
        study.work(one, store, listen())
    assert [t.state.name for t in one.trials] == ["FAIL", "WAITING"]
    assert job_queue.retries(one.trials[1]) == []
    study.work(one, store)
    assert one.trials[1].state == TrialState.COMPLETE


def test_an_error_that_nobody_foresaw_fails_the_trial_with_a_reason(home: Path) -> None:
    one, store = studies.begin(studies.experiment(trials=1))

    def fail() -> None:
        raise ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError):
        study.work(one, store, studies.at(StepEvent, 1, fail))
    (trial,) = one.trials
    assert trial.state == TrialState.FAIL
    assert "by zero" in trial.user_attrs[job_queue.WHY]


def test_a_trial_that_was_taken_over_is_given_up_and_the_next_one_begun(home: Path) -> None:
    """What another machine does after the grace period, while this one slept."""
    one, store = studies.begin(studies.experiment(trials=1, settings=EPOCHS))

    def taken() -> None:
        job_queue.mark(store, one.trials[0]._trial_id, counted=True)
        one.tell(0, state=TrialState.FAIL)
        job_queue.recover(one, store)

    outcome = study.work(one, store, studies.at(StepEvent, 3, taken))
    assert outcome is not None
    assert outcome.state == "lost"
    assert [t.state.name for t in one.trials] == ["FAIL", "WAITING"]
    assert study.run_all(one, store) == "all 1 trials are done"
    assert [t.state.name for t in one.trials] == ["FAIL", "COMPLETE"]


def test_an_outage_of_the_database_does_not_stop_training(home: Path) -> None:
    def begun() -> tuple[optuna.Study, optuna.storages.BaseStorage]:
        store = storage.open(f"sqlite:///{home}/studies.db", storage.Heartbeat(60, 600))
        configuration = studies.experiment(trials=1, settings=EPOCHS)
        return study.create(store, configuration, space.read(configuration)), store

    def rename(old: str, new: str) -> None:
        connection = sqlite3.connect(home / "studies.db")
        connection.execute(f"ALTER TABLE {old} RENAME TO {new}")
        connection.close()

    table, away = "trial_intermediate_values", "away"
    down = studies.at(StepEvent, 2, lambda: rename(table, away))
    up = studies.at(EpochEvent, 1, lambda: rename(away, table))

    @contextmanager
    def both(job: Job, plan: Plan) -> Generator[Listener]:
        with down(job, plan) as first, up(job, plan) as second:
            yield lambda event: (first(event), second(event))[0]

    one, store = begun()
    study.work(one, store, both)
    (trial,) = one.trials
    assert trial.state == TrialState.COMPLETE
    assert sorted(trial.intermediate_values) == [1, 2]
    storage.close(store)


@pytest.mark.parametrize("attributes", [{}, {"config": {"name": "older"}, "target_trials": 9}])
def test_a_study_that_was_half_made_is_completed(home: Path, attributes: dict[str, Any]) -> None:
    configuration, store = studies.experiment(trials=1), storage.open()
    search = space.read(configuration)
    half = optuna.create_study(study_name=study.name_of(configuration, search), storage=store)
    for key, value in attributes.items():
        half.set_user_attr(key, value)
    one = study.create(store, configuration, search)
    assert study.settings(one).target_trials == 1
    assert study.run_all(one, store) == "all 1 trials are done"


def test_a_machine_without_the_data_of_a_study_claims_nothing(home: Path) -> None:
    one, store = studies.begin(studies.experiment())
    shutil.rmtree(home / "data" / "raw")
    with pytest.raises(SearchError, match="data/raw"):
        study.run_all(one, store)
    assert one.trials == []


def test_interruptions_do_not_use_up_the_tries_of_a_trial(home: Path) -> None:
    one, store = studies.begin(studies.experiment(trials=1))
    for _ in range(job_queue.MAX_RETRIES + 2):
        assert (
            study.run_all(one, store, listen=studies.at(StepEvent, 1, _interrupt)) == "interrupted"
        )
    assert study.run_all(one, store) == "all 1 trials are done"
    assert study.best(one) is not None


def test_a_trial_that_fails_is_told_and_tried_again_three_times(home: Path) -> None:
    one, store = studies.begin(studies.experiment(trials=1))

    def fail() -> None:
        raise StorageError("no space left; free some")

    for _ in range(job_queue.MAX_RETRIES + 1):
        outcome = study.work(one, store, studies.at(StepEvent, 1, fail))
        assert outcome is not None
        assert isinstance(outcome.error, StorageError)
    assert study.work(one, store) is None
    assert [trial.state for trial in one.trials] == [TrialState.FAIL] * (job_queue.MAX_RETRIES + 1)
    assert study.best(one) is None


def _failing(times: int) -> Listen:
    """A device that fails at so many steps in all."""
    left = [times]

    def fail(event: Event) -> None:
        if isinstance(event, StepEvent) and left[0]:
            left[0] -= 1
            raise DeviceError("the device failed: no more")

    return studies.watched(fail)


def test_a_search_goes_on_when_the_device_failed_but_not_for_ever(home: Path) -> None:
    one, store = studies.begin(studies.experiment(trials=1))
    assert study.run_all(one, store, _failing(1)) == "all 1 trials are done"
    assert [trial.state for trial in one.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    other, store = studies.begin(studies.experiment(trials=1, seed=1))
    with pytest.raises(DeviceError):
        study.run_all(other, store, _failing(99))
    assert [trial.state for trial in other.trials] == [TrialState.FAIL] * (
        job_queue.MAX_RETRIES + 1
    )


def test_the_time_limit_halts_the_trial_in_progress_and_it_goes_on_next_time(home: Path) -> None:
    one, store = studies.begin(studies.experiment(trials=2))
    now = [0.0]

    def later() -> None:
        now[0] = 100.0

    reason = study.run_all(
        one, store, studies.at(StepEvent, 4, later), timeout=50.0, clock=lambda: now[0]
    )
    assert reason == "timeout"
    assert [t.state.name for t in one.trials] == ["FAIL", "WAITING"]
    assert study.run_all(one, store) == "all 2 trials are done"
    assert len(_told(one)) == 2


def test_more_trials_continue_the_study_and_it_says_when_it_is_done(home: Path) -> None:
    store = storage.open()

    def begun(trials: int, **more: Any) -> optuna.Study:
        configuration = studies.experiment({"weight_decay": [0.1, 0.2]}, trials=trials)
        return study.create(store, configuration, space.read(configuration), **more)

    assert study.run_all(begun(2), store) == "all 2 trials are done"
    seen: list[Event] = []
    assert study.work(begun(2), store, studies.watched(seen.append)) is None
    assert seen == []
    one = begun(3)
    assert study.run_all(one, store) == "all 3 trials are done"
    assert len(one.trials) == 3
    with pytest.raises(SearchError, match="exists; leave --no-resume out"):
        begun(3, resume=False)
    assert begun(1, name="mine", resume=False).study_name == "mine"


def test_a_study_ends_when_nothing_got_better(home: Path) -> None:
    values = [0.5, 0.4, 0.6, 0.6, 0.4, 0.3]
    one, _ = studies.begin(studies.experiment(trials=100, patience=3))
    reasons = []
    for value in values:
        one.optimize(lambda trial, told=value: told, n_trials=1)
        reasons.append(study.end_reason(one))
    assert reasons == [None, None, None, None, "no improvement in 3 trials", None]


def test_a_name_belongs_to_one_configuration(home: Path) -> None:
    one, store = studies.begin(studies.experiment())
    other = studies.experiment(settings={"seed": 4})
    with pytest.raises(SearchError, match="searches another configuration"):
        study.create(store, other, space.read(other), name=one.study_name)
    assert study.name_of(other, space.read(other)) != one.study_name
    with pytest.raises(SearchError, match=f"no study nothing; there are: {one.study_name}"):
        study.load(store, "nothing")
    assert study.load(store, "hpo-small").study_name == one.study_name


def test_values_of_another_version_are_not_mixed_in(home: Path) -> None:
    one, store = studies.begin(studies.experiment())
    one.set_user_attr("code_version", "older")
    with pytest.raises(SearchError, match="another version"):
        study.work(one, store)
    assert one.trials == []


def test_a_worker_needs_nothing_but_the_storage_and_the_data(home: Path) -> None:
    configuration = studies.experiment(trials=3, pruner="median")
    study.create(storage.open(), configuration, space.read(configuration))
    store = storage.open()
    one = study.load(store, storage.study_names(store, "hpo")[0])
    found = study.settings(one)
    assert found.experiment.hash == configuration.hash
    assert found.search == space.read(configuration)
    assert found.target_trials == 3
    assert list(found.experiment.data.artifact_sha256) == ["SPY"]
    assert json.dumps(one.user_attrs)
    study.work(one, store)
    owner = one.trials[0].user_attrs[claims.OWNER]
    assert owner["pid"] == os.getpid()


def test_a_trial_beyond_the_last_is_given_back(home: Path) -> None:
    """Two processes may both find one trial left; the second to claim finds none."""
    one, store = studies.begin(studies.experiment({"weight_decay": [0.1, 0.2]}, trials=1))
    other = study.load(store, one.study_name)
    real, raced = study.end_reason, []

    def end_reason(asked: optuna.Study) -> str | None:
        reason = real(asked)
        if not raced:
            raced.append(True)
            study.work(other, store)
        return reason

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "end_reason", end_reason)
        assert study.work(one, store) is None
    assert [trial.state.name for trial in one.trials] == ["COMPLETE", "FAIL"]
    assert one.trials[1].user_attrs[sampling.SURPLUS] is True
    one.set_user_attr("target_trials", 2)
    study.run_all(one, store)
    ended = [sampling.ordinal(one, t) for t in one.trials if t.state in study.FINISHED]
    assert ended == [0, 1]
