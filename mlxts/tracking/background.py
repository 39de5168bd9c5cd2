"""A tracker that can neither end a run nor delay it.

It works on a thread of its own. After its first error, or where it does not answer in time, there
is one notice and no further call. What is missing then, `mlxts export` brings from the run's
own log.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mlxts.tracking.base import Tracker
from mlxts.training.events import Event

START_SECONDS = 60.0  # to import a library and open a run; before the first step
FINISH_SECONDS = 120.0  # to write what is still waiting, after the last one

Work = Callable[[], None]


class BackgroundTracker:
    """Passes a run on to one tracker. Each call returns notices for the log, mostly none."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Tracker],
        *,
        start_seconds: float = START_SECONDS,
        finish_seconds: float = FINISH_SECONDS,
    ) -> None:
        """
        Args:
            name: of the tracker, for messages.
            make: makes it, on its own thread; the library is imported there.
            start_seconds, finish_seconds: how long `start` and `finish` wait for it.
        """
        self._name, self._make = name, make
        self._start_seconds, self._finish_seconds = start_seconds, finish_seconds
        self._work: SimpleQueue[tuple[Work, threading.Event] | None] = SimpleQueue()
        self._tracker: Tracker | None = None
        self._error: Exception | None = None
        self._gave_up = self._notified = False
        # A daemon: a library that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._serve, name=f"tracking-{name}", daemon=True)

    def start(self, metadata: dict[str, Any], config: dict[str, Any]) -> list[str]:
        self._thread.start()

        def open_tracker() -> None:
            self._tracker = self._make()
            self._tracker.start(metadata, config)

        return self._wait_for(open_tracker, self._start_seconds)

    def log(self, event: Event, at: float | None = None) -> list[str]:
        """Never waits. `at`: seconds since 1970; None: now."""
        if self._usable():
            moment = time.time() if at is None else at
            self._work.put((lambda: self._open().log(event, moment), threading.Event()))
        return self._notices()

    def finish(self, summary: dict[str, Any], artifacts: list[Path]) -> list[str]:
        notices = []
        if self._usable():
            notices = self._wait_for(
                lambda: self._open().finish(summary, artifacts), self._finish_seconds
            )
        self._work.put(None)
        return notices or self._notices()

    def _wait_for(self, work: Work, seconds: float) -> list[str]:
        done = threading.Event()
        self._work.put((work, done))
        if not done.wait(seconds) and self._error is None:
            self._gave_up = True
            self._error = TimeoutError(f"no answer within {seconds:g} s")
        return self._notices()

    def _usable(self) -> bool:
        return self._error is None

    def _open(self) -> Tracker:
        assert self._tracker is not None
        return self._tracker

    def _notices(self) -> list[str]:
        """The one notice about an error; empty before and after it."""
        if self._error is None or self._notified:
            return []
        self._notified = True
        reason = " ".join(str(self._error).split()) or type(self._error).__name__
        return [
            f"{self._name} stopped tracking this run: {reason[:300]}; training continues, and "
            f"`mlxts export RUN --to {self._name}` brings it there afterwards"
        ]

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            work, done = item
            if self._error is None and not self._gave_up:
                try:
                    work()
                except Exception as error:
                    self._error = error
            done.set()
