"""The current state of a run, accumulated from its events. Knows no terminal."""

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

from mlxts.console.event_text import Line, describe
from mlxts.console.throughput import Throughput
from mlxts.training.events import (
    CompileEvent,
    Event,
    PauseEvent,
    ResumeEvent,
    StartEvent,
    StepEvent,
    StopEvent,
    ThermalEvent,
    ValidationEvent,
)

LOSS_WEIGHT = 0.05  # of the newest step in the training loss that is shown
HISTORY = 1024  # points kept of a curve
RECENT = 12  # log lines kept


class History:
    """A curve in bounded memory: when it is full, neighbours are averaged."""

    def __init__(self, limit: int = HISTORY) -> None:
        self.values: list[float] = []
        self._limit, self._stride = limit, 1
        self._sum, self._count = 0.0, 0

    def add(self, value: float) -> None:
        self._sum += value
        self._count += 1
        if self._count < self._stride:
            return
        self.values.append(self._sum / self._count)
        self._sum, self._count = 0.0, 0
        if len(self.values) >= self._limit:
            pairs = zip(self.values[::2], self.values[1::2], strict=True)
            self.values = [(first + second) / 2 for first, second in pairs]
            self._stride *= 2


class RunState:
    """Updated by one event at a time."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._now = now
        self.throughput = Throughput(clock)
        self.start: StartEvent | None = None
        self.last: StepEvent | None = None
        self.step = 0
        self.train_loss: float | None = None
        self.train = History()
        self.validation: ValidationEvent | None = None
        self.validations = History()
        self.best_step: int | None = None
        self.thermal: ThermalEvent | None = None
        self.compiling = False
        self.paused = False
        self.stop: StopEvent | None = None
        self.recent: deque[tuple[str, Line]] = deque(maxlen=RECENT)

    def update(self, event: Event) -> Line | None:
        """Update the state with an event; returns the line to print for it, if any."""
        # A guard that opens before the run knows no step yet.
        self.step = max(self.step, event.step)
        match event:
            case StartEvent():
                self.start = event
            case CompileEvent():
                self.compiling = True
            case StepEvent():
                self._stepped(event)
            case ValidationEvent():
                self.validation = event
                self.validations.add(event.loss)
                if event.improved:
                    self.best_step = event.step
            case ThermalEvent():
                self.thermal = event
            case PauseEvent():
                self.paused = True
            case ResumeEvent(seconds=seconds):
                self.paused = False
                self.throughput.pause(seconds)
            case StopEvent():
                self.stop, self.paused, self.compiling = event, False, False
        line = describe(event)
        # The live screen has places of its own for these.
        if line and not isinstance(event, StartEvent | ValidationEvent):
            if self.recent and self.recent[-1][1] == line:
                self.recent.pop()  # the same again: only its time is new
            self.recent.append((f"{self._now():%H:%M:%S}", line))
        return line

    @property
    def epoch(self) -> int | None:
        """Counted from 1, as people do; events count from 0."""
        return None if self.last is None else self.last.epoch + 1

    @property
    def total_steps(self) -> int | None:
        return None if self.start is None else self.start.total_steps

    @property
    def seconds_left(self) -> float | None:
        """At most: early stopping may end the run before its last step."""
        if self.total_steps is None:
            return None
        return self.throughput.eta(self.total_steps - self.step)

    def _stepped(self, event: StepEvent) -> None:
        self.compiling = False
        self.last = event
        self.throughput.step(event.seconds, event.samples)
        self.train.add(event.loss)
        if self.train_loss is None:
            self.train_loss = event.loss
        else:
            self.train_loss += LOSS_WEIGHT * (event.loss - self.train_loss)
