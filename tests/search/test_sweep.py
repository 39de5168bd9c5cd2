"""A sweep on one machine: each run once, resumed where it was cut short, failures told."""

import contextlib
import json
import os
import signal
import socket
from datetime import date
from pathlib import Path
from typing import Any

import optuna
import polars as pl
import pytest
from optuna.trial import TrialState

from mlxts import files, locks
from mlxts.data import store
from mlxts.errors import DeviceError
from mlxts.evaluation import score
from mlxts.runs.folder import RunFolder
from mlxts.search import job_queue, jobs, snapshot, storage, sweep, worker, worker_checks
from mlxts.search.sweep_config import Sweep
from mlxts.training.events import CheckpointEvent, EpochEvent, Event, StepEvent, StopEvent
from mlxts.training.plan import make_plan
from tests import homes
from tests.search import sweeps


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return homes.simulated(tmp_path, monkeypatch, date(2019, 6, 3), date(2023, 3, 31))


def _begin(wanted: Sweep) -> tuple[optuna.Study, optuna.storages.BaseStorage]:
    journal = storage.open()
    return sweep.create(journal, wanted), journal


def _loop(journal: optuna.storages.BaseStorage, **options) -> worker.WorkerReport:
    given: dict[str, Any] = {
        "listen": jobs.without_listener,
        "notify": lambda line: None,
        "exit_when_idle": True,
    }
    return worker.loop(journal, **given | options)


def _states(study: optuna.Study) -> list[str]:
    return [point.state for point in sweep.points(study)]


def test_every_run_is_trained_once_and_recorded(home: Path) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0, 1], "horizon": [1, 2]}))
    assert _states(study) == ["waiting"] * 4
    report = _loop(journal)
    assert [outcome.state for outcome in report.outcomes] == ["done"] * 4
    for point in sweep.points(study):
        assert point.trial is not None
        folder = files.runs_folder() / point.attribute("run_id")
        summary = json.loads((folder / "summary.json").read_text())
        assert point.state == "done"
        assert point.trial.value == summary["best_loss"]
        assert point.trial.params == point.point.values
    assert len(list(files.runs_folder().iterdir())) == 4
    now = snapshot.take(study)  # what a screen shows of it
    assert (now.noun, now.n_ended, now.target, now.counts["done"]) == ("run", 4, 4, 4)
    assert sum(now.outcomes.values()) == len(now.ended) == 4
    assert now.seconds_per_trial
    assert [line.text.split(":")[0] for line in now.ended.values()] == [
        point.point.label for point in sweep.points(study)
    ]
    # Begun again, there is nothing to do, and no sampler has invented anything.
    again, _ = _begin(sweeps.sweep({"seed": [0, 1], "horizon": [1, 2]}))
    assert again.study_name == study.study_name
    assert _loop(journal).outcomes == []
    assert sweep.work(sweep.load(journal, study.study_name), journal, jobs.without_listener) is None
    assert len(study.trials) == 4


def test_queueing_looks_at_what_is_queued_once_however_much_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    real = storage.Journal.get_all_trials

    def counting(*arguments, **named):
        looks.append(1)
        return real(*arguments, **named)

    monkeypatch.setattr(storage.Journal, "get_all_trials", counting)
    _begin(sweeps.sweep({"seed": [0, 1]}))
    few = len(looks)
    _begin(sweeps.sweep({"seed": list(range(2, 12))}))
    assert len(looks) == 2 * few


def test_a_screen_is_shown_what_each_worker_trains(home: Path) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0, 1]}))
    with job_queue.claim(study, journal, samples=False) as trial:
        assert trial is not None
        now = snapshot.take(study)
    (running,) = now.running
    assert running.label == sweep.points(study)[trial.number].point.label
    assert running.host == socket.gethostname()
    assert (now.counts["running"], now.counts["waiting"], now.n_ended) == (1, 1, 0)


def test_a_worker_that_lost_the_race_for_the_last_trial_invents_none(home: Path) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0]}))
    with job_queue.claim(study, storage.open(), samples=False) as trial:
        assert trial is not None
        assert jobs.work(study, journal, lambda job: 0.0) is None
    assert len(study.trials) == 1


def test_the_runs_are_those_of_the_same_configuration_trained_alone(home: Path) -> None:
    wanted = sweeps.sweep({"seed": [3]})
    _, journal = _begin(wanted)
    (outcome,) = _loop(journal).outcomes
    assert make_plan(wanted.points()[0].config).run_id == outcome.run_id


def test_a_run_that_fails_says_why_and_is_retried_on_demand(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0, 1]}))
    monkeypatch.setattr(worker_checks.device, "usable_memory", lambda: 1)
    report = _loop(journal)
    assert [outcome.state for outcome in report.outcomes] == ["failed"] * 2
    assert all("GiB" in str(point.why) for point in sweep.points(study))
    monkeypatch.undo()
    monkeypatch.setenv("MLXTS_HOME", str(home))
    sweep.create(journal, sweeps.sweep({"seed": [0, 1]}))
    assert _states(study) == ["failed"] * 2  # not by itself
    assert sweep.retry_failed(study, journal) == 2
    _loop(journal)
    assert _states(study) == ["done"] * 2


def test_an_interrupted_run_waits_again_and_goes_on_from_its_checkpoint(home: Path) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0]}, training__max_epochs=3))

    def interrupting(job, plan):
        def listen(event: Event) -> None:
            if isinstance(event, CheckpointEvent):
                os.kill(os.getpid(), signal.SIGTERM)

        return contextlib.nullcontext(listen)

    report = _loop(journal, listen=interrupting)
    assert (report.outcomes[0].state, report.stopped_by) == ("put back", "interrupted")
    assert _states(study) == ["waiting"]
    (outcome,) = _loop(journal).outcomes
    assert outcome.state == "done"
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert study.trials[1].user_attrs["resumed_at_step"] > 0


def _failing(times: int, at: type[Event]):
    """Listens to runs whose device fails at such an event, so many times in all."""
    left = [times]

    def listen(job, plan):
        def emit(event: Event) -> None:
            if isinstance(event, at) and left[0]:
                left[0] -= 1
                raise DeviceError("the device failed: no more")

        return contextlib.nullcontext(emit)

    return listen


def test_a_run_whose_device_failed_goes_on_from_its_checkpoint(home: Path) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0]}, training__max_epochs=3))
    report = _loop(journal, listen=_failing(1, EpochEvent))
    assert [outcome.state for outcome in report.outcomes] == ["failed", "done"]
    assert "the device failed" in str(report.outcomes[0].why)
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert study.trials[1].user_attrs["resumed_at_step"] > 0


def test_a_run_whose_device_always_fails_is_tried_a_few_times(home: Path) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0]}))
    report = _loop(journal, listen=_failing(99, StepEvent))
    assert [o.state for o in report.outcomes] == ["failed"] * (job_queue.MAX_RETRIES + 1)
    assert _states(study) == ["failed"]


def test_a_run_that_was_taken_over_while_the_machine_slept_is_given_up(home: Path) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0]}, training__max_epochs=3))
    saved: list[int] = []

    def taking_over(job, plan):
        def listen(event: Event) -> None:
            if isinstance(event, CheckpointEvent):
                saved.append(event.step)
                running = study.get_trials(states=(TrialState.RUNNING,))
                for trial in running:  # what another machine does after the grace period
                    study.tell(trial.number, state=TrialState.FAIL)

        return contextlib.nullcontext(listen)

    outcome = sweep.work(study, journal, taking_over)
    assert outcome is not None
    assert outcome.state == "lost"
    assert len(saved) == 1  # nothing was written after it
    assert [t.state for t in study.trials] == [TrialState.FAIL]
    summary = files.runs_folder() / str(outcome.run_id) / "summary.json"
    assert not summary.exists()


def test_the_same_point_queued_twice_is_done_once(home: Path) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0]}))
    study.enqueue_trial({"seed": 0})  # as two machines that queue at the same moment may do
    states = [outcome.state for outcome in _loop(journal).outcomes]
    assert states == ["done", "duplicate"]
    assert _states(study) == ["done"]
    assert [t.state for t in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED]


def test_a_sweep_keeps_the_bytes_that_it_was_planned_with(home: Path) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0]}))
    first = store.find("SPY", ("simulated",))
    frame = store.load(first).head(-1)
    store.register_raw(frame, source="simulated", symbol="SPY", parameters={})
    (outcome,) = _loop(journal).outcomes
    record = json.loads((files.runs_folder() / str(outcome.run_id) / "run.json").read_text())
    assert first.sha256 in {artifact["sha256"] for artifact in record["artifacts"]}
    assert study.user_attrs["data"] == {"SPY": first.sha256}


@pytest.mark.parametrize("harm", ["changed", "missing", "unregistered", "code"])
def test_a_machine_with_other_data_or_code_claims_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0]}))
    artifact = store.find("SPY", ("simulated",))
    if harm == "changed":
        artifact.file.chmod(0o644)
        frame = pl.read_parquet(artifact.file)
        frame.with_columns(pl.col("close") * 1.01).write_parquet(artifact.file)
    if harm == "missing":
        artifact.file.unlink()
    if harm == "unregistered":
        (home / "data" / "raw" / "manifest.json").unlink()
    if harm == "code":
        study.set_user_attr("code", "0" * 64)
    told: list[str] = []
    report = _loop(journal, notify=told.append)
    assert report.outcomes == []
    assert _states(study) == ["waiting"]
    assert len(told) == 1
    assert ("commit" if harm == "code" else "data/raw") in told[0]


def test_a_run_that_another_process_holds_waits_and_others_are_trained_meanwhile(
    home: Path,
) -> None:
    """A stopped worker still holds the folder of the run that was taken from it."""
    study, journal = _begin(sweeps.sweep({"seed": [0, 1]}))
    held = make_plan(sweep.sweep_of(study).point({"seed": 0}).config).folder
    with locks.hold(RunFolder(held).lock):
        outcomes = [sweep.work(study, journal, jobs.without_listener) for _ in range(3)]
        assert [o.state if o else None for o in outcomes] == ["put back", "done", None]
        assert outcomes[0] is not None
        assert f"process {os.getpid()}" in str(outcomes[0].why)
        assert outcomes[0].stopped_by is None
        assert _states(study) == ["waiting", "done"]
    (outcome,) = _loop(journal).outcomes
    assert (outcome.state, outcome.run_id) == ("done", held.name)
    assert _states(study) == ["done", "done"]
    assert job_queue.retries(study.trials[2]) == []  # nothing was wrong with it


@pytest.mark.parametrize("moment", ["trained", "scored"])
def test_who_was_taken_over_writes_neither_predictions_nor_a_summary(
    home: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, journal = _begin(sweeps.sweep({"seed": [0]}))

    def take() -> None:
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)

    def taking_over(job, plan):
        def listen(event: Event) -> None:
            if moment == "trained" and isinstance(event, StopEvent):
                take()

        return contextlib.nullcontext(listen)

    real = score.score_run

    def scoring(*arguments):
        if moment == "scored":
            take()
        return real(*arguments)

    monkeypatch.setattr(score, "score_run", scoring)
    outcome = sweep.work(study, journal, taking_over)
    assert outcome is not None
    assert outcome.state == "lost"
    folder = files.runs_folder() / str(outcome.run_id)
    assert not (folder / "summary.json").exists()
    assert (folder / "predictions.parquet").exists() is (moment == "scored")


def test_a_run_that_the_last_release_put_back_and_did_not_queue_is_queued(home: Path) -> None:
    study, _ = _begin(sweeps.sweep({"seed": [0]}))
    trial = study.ask()
    trial.set_user_attr("put_back", True)
    study.tell(trial, state=TrialState.FAIL)
    assert _states(study) == ["not queued"]
    _begin(sweeps.sweep({"seed": [0]}))
    assert _states(study) == ["waiting"]
