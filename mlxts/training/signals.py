"""Ctrl-C and SIGTERM: the first asks training to end after this step, a second Ctrl-C ends it."""

import os
import signal
from types import FrameType
from typing import Any, Self

from mlxts import protocol


class Interrupt:
    """A context in which signals set `requested` instead of raising."""

    def __init__(self) -> None:
        self.requested: str | None = None  # name of the signal
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._old[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            os._exit(protocol.EXIT_INTERRUPTED)
        self.requested = signal.Signals(number).name
