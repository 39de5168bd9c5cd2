"""The trackers of one run, from its first event to its end; fed by `experiment.run_experiment`."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from mlxts.config.experiment import ExperimentConfig
from mlxts.runs.folder import RunFolder
from mlxts.tracking import base, replay, trackers
from mlxts.tracking.background import BackgroundTracker
from mlxts.tracking.base import Tracker
from mlxts.training.events import Event, NoticeEvent, StartEvent

Notify = Callable[[NoticeEvent], None]


class RunTrackers:
    """Context manager: logs to the trackers that a configuration names, and finishes them always.

    They start with the StartEvent, when run.json is there. A resumed run is logged to them from its
    own log first, so a tracker that failed, or is new, has the whole of it.
    """

    def __init__(
        self,
        configuration: ExperimentConfig,
        folder: Path,
        notify: Notify,
        make: Callable[[str, str], Tracker] = trackers.make,
    ) -> None:
        """
        Args:
            folder: of the run.
            notify: is given the one notice of a tracker that failed.
            make: from the names of a tracker and of a project to the tracker.
        """
        tracking = configuration.tracking
        self._config = configuration.model_dump(mode="json")
        self._folder, self._send_notice = folder, notify
        self._trackers: Sequence[BackgroundTracker] = [
            BackgroundTracker(name, lambda name=name: make(name, tracking.project))
            for name in tracking.trackers
        ]
        self._started = False
        self._early: list[tuple[Event, float]] = []
        self._step = 0
        self._summary: dict[str, Any] = {"status": "failed", "message": "ended by an error"}

    def __enter__(self) -> Self:
        return self

    def __call__(self, event: Event) -> None:
        """Pass an event on. Never waits, but for trackers to open when training starts."""
        if not self._trackers:
            return
        self._step = event.step
        if self._started:
            self._log(event, time.time())
            return
        self._early.append((event, time.time()))
        if isinstance(event, StartEvent):
            self._start(event)

    def finish(self, summary: dict[str, Any]) -> None:
        """How the run ended: its summary, or at least `status` and `message`."""
        self._summary = summary

    def __exit__(self, *_: object) -> None:
        if not self._started:
            return
        artifacts = base.artifacts(self._folder)
        for tracker in self._trackers:
            self._notify(tracker.finish(self._summary, artifacts))

    def _start(self, start: StartEvent) -> None:
        self._started = True
        metadata = RunFolder(self._folder).metadata()
        # All are open before anything is logged: a notice goes to the others too.
        notices = [
            message
            for tracker in self._trackers
            for message in tracker.start(metadata, self._config)
        ]
        before = list(replay.events(self._folder)) if start.resumed else []
        if before and isinstance(before[-1][0], StartEvent):
            before.pop()  # the one that has just been written, and follows here
        early, self._early = self._early, []
        for event, at in (*before, *early):
            self._log(event, at)
        self._notify(notices)

    def _log(self, event: Event, at: float) -> None:
        for tracker in self._trackers:
            self._notify(tracker.log(event, at))

    def _notify(self, messages: list[str]) -> None:
        for message in messages:
            self._send_notice(NoticeEvent(self._step, message))
