"""A worker does both kinds of work, the oldest study first, and leaves alone what it must."""

import contextlib
from datetime import date
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from mlxts.data import store
from mlxts.errors import DivergedError, SearchError
from mlxts.search import (
    job_queue,
    jobs,
    space,
    storage,
    study,
    sweep,
    train_validation_data,
    worker,
    worker_checks,
)
from mlxts.search.jobs import Job
from mlxts.training.events import Event
from mlxts.training.plan import Plan
from tests import homes
from tests.search import studies, sweeps


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    train_validation_data._last.clear()
    return homes.simulated(tmp_path, monkeypatch, date(2019, 6, 3), date(2023, 3, 31))


def test_runs_of_a_sweep_and_trials_of_a_search_are_done_by_the_same_worker(home: Path) -> None:
    journal = storage.open()
    experiment = studies.experiment(trials=2)
    search = study.create(journal, experiment, space.read(experiment))
    runs = sweep.create(journal, sweeps.sweep({"seed": [0]}))
    seen: list[str] = []
    heard: list[Event] = []

    def listen(job: Job, plan: Plan):
        seen.append(plan.run_id)
        return contextlib.nullcontext(heard.append)

    report = worker.loop(journal, listen=listen, notify=lambda line: None, exit_when_idle=True)
    assert [outcome.state for outcome in report.outcomes] == ["done"] * 3
    assert [outcome.run_id for outcome in report.outcomes] == seen
    assert {event.kind for event in heard} >= {"start", "step", "stop"}
    assert [o.label for o in report.outcomes] == ["trial 0", "trial 1", "s0"]
    assert [t.value for t in search.trials] == [o.value for o in report.outcomes[:2]]
    assert worker.progress(search.study_name, journal) == "2 done"
    assert worker.progress(runs.study_name, journal) == "1 done"


def test_one_piece_of_work_and_no_more(home: Path) -> None:
    journal = storage.open()
    name = sweep.create(journal, sweeps.sweep({"seed": [0, 1]})).study_name
    report = worker.loop(journal, notify=lambda line: None, once=True, listen=jobs.without_listener)
    assert len(report.outcomes) == 1
    assert worker.progress(name, journal) == "1 done, 1 waiting"


def test_a_search_planned_with_other_bytes_is_left_alone(home: Path) -> None:
    journal = storage.open()
    experiment = studies.experiment(trials=2)
    search = study.create(journal, experiment, space.read(experiment))
    store.find("SPY", ("simulated",)).file.unlink()
    told: list[str] = []
    report = worker.loop(
        journal, listen=jobs.without_listener,
        notify=told.append, exit_when_idle=True,
    )  # fmt: skip
    assert (report.outcomes, search.trials) == ([], [])
    assert "data/raw" in told[0]


def test_a_run_that_diverges_fails_and_the_next_one_is_trained(home: Path) -> None:
    wanted = sweeps.sweep({"seed": [0, 1]})
    journal = storage.open()
    runs = sweep.create(journal, wanted)

    def listen(job: Job, plan: Plan):
        def emit(event: Event) -> None:
            if plan.config.seed == 0 and event.kind == "step":
                raise DivergedError("the loss is not finite")

        return contextlib.nullcontext(emit)

    report = worker.loop(journal, listen=listen, notify=lambda line: None, exit_when_idle=True)
    assert [outcome.state for outcome in report.outcomes] == ["failed", "done"]
    assert [point.why for point in sweep.points(runs)] == ["the loss is not finite", None]
    assert [t.state for t in runs.trials] == [TrialState.FAIL, TrialState.COMPLETE]


@pytest.mark.parametrize(
    "attributes",
    [
        {"kind": "hpo", "code_version": "older", "config": {"gone": 1}, "search": {}},
        {"kind": "hpo"},
        {"kind": "sweep", "config": []},
        {"kind": "of a newer version"},
    ],
)
def test_an_old_or_foreign_study_keeps_nobody_from_the_others(
    home: Path, attributes: dict[str, Any]
) -> None:
    journal = storage.open()
    foreign = optuna.create_study(study_name="foreign", storage=journal)
    for key, value in attributes.items():
        foreign.set_user_attr(key, value)
    runs = sweep.create(journal, sweeps.sweep({"seed": [0]}))
    told: list[str] = []
    report = worker.loop(
        journal, listen=jobs.without_listener,
        notify=told.append, exit_when_idle=True,
    )  # fmt: skip
    assert [outcome.state for outcome in report.outcomes] == ["done"]
    assert worker.progress(runs.study_name, journal) == "1 done"
    assert [line.split(":")[0] for line in told] == ["foreign is skipped"]


def test_a_trial_that_another_worker_took_over_is_lost_and_not_failed(home: Path) -> None:
    journal = storage.open()
    experiment = studies.experiment(trials=1)
    search = study.create(journal, experiment, space.read(experiment))
    taken: list[int] = []

    def listen(job: Job, plan: Plan):
        def emit(event: Event) -> None:
            if event.kind == "step" and not taken:
                taken.append(event.step)
                job_queue.mark(journal, search.trials[0]._trial_id, counted=True)
                search.tell(0, state=TrialState.FAIL)

        return contextlib.nullcontext(emit)

    report = worker.loop(journal, listen=listen, notify=lambda line: None, exit_when_idle=True)
    assert [outcome.state for outcome in report.outcomes] == ["lost", "done"]
    assert [t.state for t in search.trials] == [TrialState.FAIL, TrialState.COMPLETE]


def test_a_study_that_is_not_there_is_named(home: Path) -> None:
    told: list[str] = []
    report = worker.loop(
        storage.open(), listen=jobs.without_listener,
        notify=told.append, only="absent", exit_when_idle=True,
    )  # fmt: skip
    assert "no study absent" in report.refused["absent"]


def test_a_worker_that_waits_reads_its_data_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = store.find("SPY", ("simulated",))
    hashes, read = {"SPY": artifact.sha256}, []
    real = worker_checks.digest
    monkeypatch.setattr(worker_checks, "digest", lambda path: read.append(path) or real(path))
    for _ in range(3):
        worker_checks.require_data(hashes)
    assert read == [artifact.file]
    artifact.file.chmod(0o644)
    artifact.file.write_bytes(artifact.file.read_bytes() + b"0")
    with pytest.raises(SearchError, match="not the file in its manifest"):
        worker_checks.require_data(hashes)
