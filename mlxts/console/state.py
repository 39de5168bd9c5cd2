"""The current state of a run, accumulated from its events. Knows no terminal."""

import math
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

import numpy as np

from mlxts.console.event_text import Line, describe
from mlxts.console.throughput import Throughput
from mlxts.training.events import (
    CompileEvent,
    Event,
    PauseEvent,
    ReferenceEvent,
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
    """A curve over steps in bounded memory: when it is full, neighbours are averaged."""

    def __init__(self, limit: int = HISTORY) -> None:
        self.steps: list[float] = []
        self.values: list[float] = []
        self._limit, self._stride = limit, 1
        self._sums, self._count = [0.0, 0.0], 0

    def add(self, step: int, value: float) -> None:
        self._sums = [self._sums[0] + step, self._sums[1] + value]
        self._count += 1
        if self._count < self._stride:
            return
        step_sum, value_sum = self._sums
        self.steps.append(step_sum / self._count)
        self.values.append(value_sum / self._count)
        self._sums, self._count = [0.0, 0.0], 0
        if len(self.values) >= self._limit:
            self.steps, self.values = _halved(self.steps), _halved(self.values)
            self._stride *= 2

    def over(self, last: int, columns: int) -> list[float]:
        """The curve at `columns` places from step 0 to `last`, straight between its points; NaN
        before the first and after the last of them."""
        known = [(s, v) for s, v in zip(self.steps, self.values, strict=True) if math.isfinite(v)]
        if not known:
            return [math.nan] * columns
        steps, values = zip(*known, strict=True)
        width = max(last, 1) / max(columns, 1)
        places = [(column + 0.5) * width for column in range(columns)]
        points = np.interp(places, steps, values).tolist()
        inside = (steps[0] - width, steps[-1] + width)
        return [
            point if inside[0] <= place <= inside[1] else math.nan
            for place, point in zip(places, points, strict=True)
        ]


def _halved(values: list[float]) -> list[float]:
    pairs = zip(values[::2], values[1::2], strict=True)
    return [(first + second) / 2 for first, second in pairs]


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
        self.train = History()  # smoothed
        self.validation: ValidationEvent | None = None
        self.validations = History()
        self.reference: ReferenceEvent | None = None
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
            case ReferenceEvent():
                self.reference = event
            case CompileEvent():
                self.compiling = True
            case StepEvent():
                self._stepped(event)
            case ValidationEvent():
                self.validation = event
                self.validations.add(event.step, event.loss)
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
        if line and not isinstance(event, StartEvent | ReferenceEvent | ValidationEvent):
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
        if self.train_loss is None:
            self.train_loss = event.loss
        else:
            self.train_loss += LOSS_WEIGHT * (event.loss - self.train_loss)
        self.train.add(event.step, self.train_loss)
