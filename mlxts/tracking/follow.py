"""The trackers of one run, from its first event to its end; `experiment.execute` feeds them."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from mlxts.config.experiment import ExperimentConfig
from mlxts.tracking import base, replay, trackers
from mlxts.tracking.base import Tracker
from mlxts.tracking.safe import Safe
from mlxts.training import run
from mlxts.training.events import Event, NoticeEvent, StartEvent

Say = Callable[[NoticeEvent], None]


class Followers:
    """Context manager: tells the trackers that a configuration names, and ends them in any case.

    They begin with the StartEvent, when run.json is there. A run that goes on is told to them from
    its record first, so a tracker that was away, or is new, has the whole of it.
    """

    def __init__(
        self,
        configuration: ExperimentConfig,
        folder: Path,
        say: Say,
        make: Callable[[str, str], Tracker] = trackers.make,
    ) -> None:
        """
        Args:
            folder: of the run.
            say: is given the one notice of a tracker that failed.
            make: from the names of a tracker and of a project to the tracker.
        """
        tracking = configuration.tracking
        self._config = configuration.model_dump(mode="json")
        self._folder, self._say = folder, say
        self._all: Sequence[Safe] = [
            Safe(name, lambda name=name: make(name, tracking.project)) for name in tracking.to
        ]
        self._begun = False
        self._early: list[tuple[Event, float]] = []
        self._step = 0
        self._summary: dict[str, Any] = {"status": "failed", "message": "ended by an error"}

    def __enter__(self) -> Self:
        return self

    def __call__(self, event: Event) -> None:
        """Pass an event on. Never waits, but for trackers to open when training starts."""
        if not self._all:
            return
        self._step = event.step
        if self._begun:
            self._tell(event, time.time())
            return
        self._early.append((event, time.time()))
        if isinstance(event, StartEvent):
            self._begin(event)

    def finish(self, summary: dict[str, Any]) -> None:
        """How the run ended: its summary, or at least `status` and `message`."""
        self._summary = summary

    def __exit__(self, *_: object) -> None:
        if not self._begun:
            return
        artifacts = base.files(self._folder)
        for one in self._all:
            self._notify(one.end(self._summary, artifacts))

    def _begin(self, start: StartEvent) -> None:
        self._begun = True
        record = run.record(self._folder)
        # All are open before any is told something: a notice goes to the others too.
        said = [message for one in self._all for message in one.begin(record, self._config)]
        before = list(replay.told(self._folder)) if start.resumed else []
        if before and isinstance(before[-1][0], StartEvent):
            before.pop()  # the one that has just been written, and follows here
        early, self._early = self._early, []
        for event, at in (*before, *early):
            self._tell(event, at)
        self._notify(said)

    def _tell(self, event: Event, at: float) -> None:
        for one in self._all:
            self._notify(one.tell(event, at))

    def _notify(self, messages: list[str]) -> None:
        for message in messages:
            self._say(NoticeEvent(self._step, message))
