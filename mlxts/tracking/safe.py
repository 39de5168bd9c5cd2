"""A tracker that can neither end a run nor hold it up.

It works on a thread of its own. What it raises is told once and then it is left alone; when it
does not answer in time it is left alone too. What is missing afterwards, `mlxts track export`
brings from the run's own record.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mlxts.tracking.base import Tracker
from mlxts.training.events import Event

BEGIN_SECONDS = 60.0  # to import a library and open a run; before the first step
END_SECONDS = 120.0  # to write what is still waiting, after the last one

Work = Callable[[], None]


class Safe:
    """Passes a run on to one tracker. Each call returns what has to be said, mostly nothing."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Tracker],
        *,
        begin_seconds: float = BEGIN_SECONDS,
        end_seconds: float = END_SECONDS,
    ) -> None:
        """
        Args:
            name: of the tracker, for messages.
            make: makes it, on its own thread; the library is imported there.
            begin_seconds, end_seconds: how long `begin` and `end` wait for it.
        """
        self._name, self._make = name, make
        self._begin_seconds, self._end_seconds = begin_seconds, end_seconds
        self._work: SimpleQueue[tuple[Work, threading.Event] | None] = SimpleQueue()
        self._tracker: Tracker | None = None
        self._error: Exception | None = None
        self._gave_up = self._said = False
        # A daemon: a library that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._serve, name=f"tracking-{name}", daemon=True)

    def begin(self, record: dict[str, Any], config: dict[str, Any]) -> list[str]:
        self._thread.start()

        def opened() -> None:
            self._tracker = self._make()
            self._tracker.begin(record, config)

        return self._wait_for(opened, self._begin_seconds)

    def tell(self, event: Event, at: float | None = None) -> list[str]:
        """Never waits. `at`: seconds since 1970; None: now."""
        if self._usable():
            moment = time.time() if at is None else at
            self._work.put((lambda: self._open().tell(event, moment), threading.Event()))
        return self._news()

    def end(self, summary: dict[str, Any], artifacts: list[Path]) -> list[str]:
        said = []
        if self._usable():
            said = self._wait_for(lambda: self._open().end(summary, artifacts), self._end_seconds)
        self._work.put(None)
        return said or self._news()

    def _wait_for(self, work: Work, seconds: float) -> list[str]:
        done = threading.Event()
        self._work.put((work, done))
        if not done.wait(seconds) and self._error is None:
            self._gave_up = True
            self._error = TimeoutError(f"no answer within {seconds:g} s")
        return self._news()

    def _usable(self) -> bool:
        return self._error is None

    def _open(self) -> Tracker:
        assert self._tracker is not None
        return self._tracker

    def _news(self) -> list[str]:
        """The one notice about an error; empty before and after it."""
        if self._error is None or self._said:
            return []
        self._said = True
        what = " ".join(str(self._error).split()) or type(self._error).__name__
        return [
            f"{self._name} no longer follows this run: {what[:300]}; the run goes on, and "
            f"`mlxts track export RUN --to {self._name}` brings it there afterwards"
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
