"""Tests of a tracker: the events that it stores (`mlxts.tracking.base.Tracker`)."""

from pathlib import Path
from typing import Any

import pytest

from mlxts.runs import layout
from mlxts.tracking import base
from mlxts.tracking.base import Tracker
from mlxts.training.events import (
    CheckpointEvent,
    EpochEvent,
    Event,
    NoticeEvent,
    StartEvent,
    StepEvent,
    StopEvent,
    ThermalEvent,
    ValidationEvent,
)

RUN_ID = "0.02M-daily-threshold_1pct-h1-s0-0123456789"
RECORD = {
    "run_id": RUN_ID,
    "n_total": 20_000,
    "config_hash": "abc",
    "machine": {"device": "cpu"},
    "sensor": {"source": "off"},
    "started": "2026-01-02T03:04:05+00:00",
}
CONFIG = {
    "name": "small",
    "mode": "exploratory",
    "budget": "0.02M",
    "task": "threshold_1pct",
    "timescale": "daily",
    "seed": 0,
    "training": {"learning_rate": 1e-4},
    "tracking": {"to": ["mlflow"], "project": "p"},
}
SUMMARY = {
    "status": "finished",
    "message": "the last epoch is done",
    "verdict": "patchtst beats HAR",
    "steps": 300,
    "scores": {"validation": {"patchtst": {"auc": 0.61, "collapsed": False}}},
}
STEPS = 300


def events(first: int = 1, last: int = STEPS) -> list[tuple[Event, float]]:
    """A run's events and their times: more numbers than one call to a store may hold, and events
    of every other kind."""
    story: list[tuple[Event, float]] = [(StartEvent(first - 1, STEPS, 2, first > 1), 1e9)]
    for step in range(first, last + 1):
        event = StepEvent(step, 0, 1.0 / step, 1e-4, 0.5, 32, 0.01, {"peak": 1000 + step})
        story.append((event, 1e9 + step))
        if step % 150 == 0:
            at = 1e9 + step + 0.5
            story.append((ValidationEvent(step, 0, 0.7, 0.6, True, (0.1, 0.3)), at))
            story.append((EpochEvent(step, 0, 0.65, 6.0), at))
            story.append((ThermalEvent(step, "normal", 55.5, "scripted", "", cpu=55.0), at))
            story.append((CheckpointEvent(step, "checkpoint/last", False), at))
    story.append((NoticeEvent(last, "look"), 1e9 + last + 1))
    story.append((StopEvent(last, "finished", "the last epoch is done"), 1e9 + last + 1))
    return story


def send_events(tracker: Tracker, folder: Path, story: list[tuple[Event, float]]) -> None:
    """Send all events to a tracker, with two files of `folder` as artifacts."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (layout.CONFIG, layout.SUMMARY):
        (folder / name).write_text(f"{name} of the run", encoding="utf-8")
    tracker.start(RECORD, CONFIG)
    for event, time in story:
        tracker.log(event, time)
    tracker.finish(SUMMARY, base.artifacts(folder))


class TrackerSuite:
    """Subclass it as `TestNAME` and override both fixtures.

    What a tracker holds is read back as a dictionary: `params` and `tags` (strings by name),
    `metrics` (name -> step as a string -> number), `artifacts` (name -> text), `scores` and
    `status`.
    """

    @pytest.fixture
    def stored(self) -> dict[str, Any]:
        """What it holds after `send_events(tracker, folder, events())`."""
        raise NotImplementedError

    @pytest.fixture
    def stored_after_restart(self) -> dict[str, Any]:
        """What it holds after events(1, 175) and then, by another object, events()."""
        raise NotImplementedError

    def test_every_setting_is_a_parameter_and_tracking_itself_is_none(
        self, stored: dict[str, Any]
    ) -> None:
        assert stored["params"]["training.learning_rate"] == "0.0001"
        assert stored["params"]["budget"] == "0.02M"
        assert stored["params"]["run.n_total"] == "20000"
        assert not [key for key in stored["params"] if key.startswith("tracking")]

    def test_every_step_has_its_numbers(self, stored: dict[str, Any]) -> None:
        losses = stored["metrics"]["train/loss"]
        assert len(losses) == STEPS
        assert [losses[str(step)] for step in (1, 2, STEPS)] == [1.0, 0.5, 1 / STEPS]
        assert stored["metrics"]["memory/peak"]["150"] == 1150
        assert stored["metrics"]["validation/loss"] == {"150": 0.7, "300": 0.7}
        assert stored["metrics"]["epoch/train_loss"] == {"150": 0.65, "300": 0.65}

    def test_heat_is_among_the_numbers_and_what_was_not_measured_is_not(
        self, stored: dict[str, Any]
    ) -> None:
        assert stored["metrics"]["thermal/temperature"] == {"150": 55.5, "300": 55.5}
        assert "thermal/gpu" not in stored["metrics"]

    def test_files_scores_tags_and_the_end_are_there(self, stored: dict[str, Any]) -> None:
        assert stored["artifacts"][layout.CONFIG] == f"{layout.CONFIG} of the run"
        assert set(stored["artifacts"]) == {layout.CONFIG, layout.SUMMARY}
        assert stored["scores"]["score/validation/patchtst/auc"] == 0.61
        assert stored["tags"]["mlxts.run_id"] == RUN_ID
        assert stored["tags"]["mlxts.config_hash"] == "abc"
        assert stored["status"] == base.FINISHED

    def test_a_run_that_is_told_again_is_there_once_and_whole(
        self, stored_after_restart: dict[str, Any]
    ) -> None:
        assert len(stored_after_restart["metrics"]["train/loss"]) == STEPS
        assert stored_after_restart["metrics"]["validation/loss"] == {"150": 0.7, "300": 0.7}
        assert set(stored_after_restart["artifacts"]) == {layout.CONFIG, layout.SUMMARY}
