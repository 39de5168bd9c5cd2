"""A tracker sees all of a run, and whatever it does, the run is what it would have been."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mlxts import experiment
from mlxts.config.loading import load_config
from mlxts.errors import RunError, TrackingError
from mlxts.runs.folder import RunFolder
from mlxts.testing import trackers as conformance
from mlxts.tracking import replay, run_export, trackers
from mlxts.tracking.background import BackgroundTracker
from mlxts.tracking.run_trackers import RunTrackers
from mlxts.training.events import Event, NoticeEvent, StepEvent, StopEvent, ThermalEvent
from mlxts.training.plan import Plan, make_plan
from tests import homes
from tests.tracking import stories


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        return homes.simulated(tmp_path_factory.mktemp("home"), patch)


@pytest.fixture(autouse=True)
def _inside(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(workspace))
    monkeypatch.chdir(workspace)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Runs as a recording tracker holds them that stands in MLflow's place."""
    held: dict[str, dict[str, Any]] = {}
    _replace(monkeypatch, lambda: stories.Recording(held))
    return held


def _replace(monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    def followers(configuration: Any, folder: Path, say: Any) -> RunTrackers:
        return RunTrackers(configuration, folder, say, make=lambda name, project: make())

    monkeypatch.setattr(experiment, "RunTrackers", followers)


def _plan(seed: int) -> Plan:
    return make_plan(
        load_config(Path("small.yaml"), {"seed": seed, "tracking.trackers": ["mlflow"]})
    )


def test_naming_a_tracker_makes_it_no_other_run() -> None:
    plain = load_config(Path("small.yaml"))
    tracked = load_config(
        Path("small.yaml"), {"tracking.trackers": ["wandb"], "tracking.project": "x"}
    )
    assert tracked.hash == plain.hash
    assert tracked.tracking.trackers == ("wandb",)


def test_a_tracker_is_told_what_the_console_is_told(runs: dict[str, dict[str, Any]]) -> None:
    plan, seen = _plan(21), []
    summary = experiment.run_experiment(plan, emit=seen.append)
    held = runs[plan.run_id]
    assert held["events"] == seen
    assert held["summary"] == summary
    steps = {row["step"]: row["loss"] for row in _steps(plan.folder)}
    assert held["metrics"]["train/loss"] == steps
    assert {"config.yaml", "run.json", "summary.json"} <= set(_files(plan.folder))


def _steps(folder: Path) -> list[dict[str, Any]]:
    return [row for row in RunFolder(folder).metrics() if row["split"] == "train"]


def _files(folder: Path) -> list[str]:
    from mlxts.tracking import base

    return [path.name for path in base.artifacts(folder)]


def test_a_run_that_goes_on_is_told_from_its_beginning(runs: dict[str, dict[str, Any]]) -> None:
    plan = _plan(22)
    stopped = experiment.run_experiment(
        plan,
        emit=lambda event: None,
        gate=lambda step: StopEvent(step, "interrupted", "asked") if step == 4 else None,
    )
    assert stopped["status"] == "interrupted"
    assert runs[plan.run_id]["status"] == "KILLED"
    first = runs.pop(plan.run_id)  # as a tracker that was not there before
    experiment.run_experiment(plan, emit=lambda event: None, resume=True)
    whole = runs[plan.run_id]
    assert max(first["metrics"]["train/loss"]) == 4
    assert sorted(whole["metrics"]["train/loss"]) == list(range(1, plan.total_steps + 1))
    told = [event.step for event in whole["events"] if isinstance(event, StepEvent)]
    assert told == sorted(set(told))
    assert whole["status"] == "FINISHED"


class Raising(stories.Recording):
    """Fails in one of its three calls."""

    def __init__(self, where: str) -> None:
        super().__init__({})
        self._where = where

    def start(self, metadata: dict[str, Any], config: dict[str, Any]) -> None:
        super().start(metadata, config)
        self._fail("start")

    def log(self, event: Event, time: float) -> None:
        if event.step == 3:
            self._fail("log")

    def finish(self, summary: dict[str, Any], artifacts: list[Path]) -> None:
        self._fail("finish")

    def _fail(self, here: str) -> None:
        if here == self._where:
            raise ZeroDivisionError(f"broken\nin {here}")


@pytest.mark.parametrize(("where", "seed"), [("start", 23), ("log", 24), ("finish", 25)])
def test_a_tracker_that_fails_is_told_once_and_the_run_is_whole(
    where: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _replace(monkeypatch, lambda: Raising(where))
    plan, seen = _plan(seed), []
    summary = experiment.run_experiment(plan, emit=seen.append)
    assert summary["status"] in experiment.FINISHED
    assert json.loads((plan.folder / "summary.json").read_text())["steps"] == summary["steps"]
    assert len(_steps(plan.folder)) == plan.total_steps
    (notice,) = [event.message for event in seen if isinstance(event, NoticeEvent)]
    assert "mlflow stopped tracking this run: broken in" in notice
    assert "mlxts export" in notice
    recorded = [row for row in RunFolder(plan.folder).events() if row["event"] == "notice"]
    assert len(recorded) == (0 if where == "finish" else 1)  # the record is closed by then


def test_a_library_that_is_not_there_is_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    plan, seen = _plan(26), []
    assert experiment.run_experiment(plan, emit=seen.append)["status"] in experiment.FINISHED
    (notice,) = [event.message for event in seen if isinstance(event, NoticeEvent)]
    assert "mlflow is not installed" in notice
    assert "mlxts[tracking]" in notice


class Hanging(stories.Recording):
    """Never comes back from its first event."""

    def __init__(self, released: threading.Event) -> None:
        super().__init__({})
        self._released = released

    def log(self, event: Event, time: float) -> None:
        self._released.wait(60)


def test_a_tracker_that_hangs_holds_nothing_up(tmp_path: Path) -> None:
    released = threading.Event()
    try:
        safe = BackgroundTracker("slow", lambda: Hanging(released), finish_seconds=0.2)
        assert safe.start(conformance.RECORD, conformance.CONFIG) == []
        began = time.monotonic()
        for event, at in stories.events():
            assert safe.log(event, at) == []
        (said,) = safe.finish(conformance.SUMMARY, [])
        assert time.monotonic() - began < 30  # far from the minute for which it hangs
        assert "no answer within 0.2 s" in said
    finally:
        released.set()


def test_an_error_in_training_ends_the_trackers_too(runs: dict[str, dict[str, Any]]) -> None:
    plan = _plan(27)

    def gate(step: int) -> None:
        raise RunError("broken")

    with pytest.raises(RunError, match="broken"):
        experiment.run_experiment(plan, emit=lambda event: None, gate=gate)
    assert runs[plan.run_id]["status"] == "FAILED"


def _is_passing(event: Event) -> bool:
    """Told while it happens and not recorded; a run of over five seconds has routine readings."""
    return event.kind == "compile" or (isinstance(event, ThermalEvent) and not event.message)


def test_the_record_of_a_run_is_the_events_that_made_it(runs: dict[str, dict[str, Any]]) -> None:
    plan, seen = _plan(28), []
    experiment.run_experiment(plan, emit=seen.append)
    from mlxts.tracking.base import metrics

    told = [(event.kind, event.step) for event, _ in replay.events(plan.folder)]
    # What the guard says before the record is open is for the console alone.
    begun = [event.kind for event in seen].index("start")
    kept = [(event.kind, event.step) for event in seen[begun:] if not _is_passing(event)]
    assert sorted(told) == sorted(kept)
    losses = [metrics(e)["train/loss"] for e, _ in replay.events(plan.folder) if e.kind == "step"]
    assert losses == [e.loss for e in seen if isinstance(e, StepEvent)]


def test_a_run_is_exported_afterwards_as_it_was_followed(runs: dict[str, dict[str, Any]]) -> None:
    plan = _plan(29)
    experiment.run_experiment(plan, emit=lambda event: None)
    followed = runs.pop(plan.run_id)
    assert run_export.export(plan.folder, stories.Recording(runs)) > plan.total_steps
    exported = runs[plan.run_id]
    assert exported["params"] == followed["params"]
    assert exported["tags"] == followed["tags"]
    assert exported["metrics"]["train/loss"] == followed["metrics"]["train/loss"]
    assert exported["scores"] == pytest.approx(followed["scores"])
    assert exported["status"] == "FINISHED"


def test_an_export_that_is_refused_is_one_line(runs: dict[str, dict[str, Any]]) -> None:
    plan = _plan(29)
    if not (plan.folder / "summary.json").exists():
        experiment.run_experiment(plan, emit=lambda event: None)
    with pytest.raises(TrackingError, match="could not be exported: broken in start"):
        run_export.export(plan.folder, Raising("start"))


def test_following_is_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[NoticeEvent] = []
    plain = load_config(Path("small.yaml"))
    with RunTrackers(plain, tmp_path, said.append) as followers:
        followers(stories.events()[0][0])
    assert said == []
    assert not (tmp_path / "tracking").exists()
