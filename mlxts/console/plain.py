"""Plain lines, for pipes, log files and dumb terminals: no colour, no cursor movement."""

import contextlib
import time
from collections.abc import Callable
from typing import Self, TextIO

from mlxts import formats
from mlxts.console import event_text
from mlxts.console.event_text import BANDS
from mlxts.console.state import RunState
from mlxts.training.events import Event, StartEvent, StepEvent, StopEvent, ThermalEvent

INTERVAL = 10.0  # seconds between two lines about steps


class PlainReporter:
    """A line every few seconds, and one for each validation, checkpoint, alarm and the end."""

    def __init__(
        self,
        stream: TextIO,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._interval, self._clock = stream, interval, clock
        self._state = RunState(clock)
        self._written_at = clock()
        self._written_step = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, event: Event) -> None:
        line = self._state.update(event)
        if isinstance(event, StepEvent):
            if self._clock() - self._written_at >= self._interval:
                self._write_step()
            return
        if line is None:
            return
        if isinstance(event, StartEvent):
            for key, value in event.header.items():
                self._write(f"{key}: {value}")
        if isinstance(event, StopEvent) and self._state.step != self._written_step:
            self._write_step()
        loud = BANDS.get(event.band) if isinstance(event, ThermalEvent) else None
        # A band's own message already starts with its name.
        text = line.text if loud or line.tone != "critical" else f"STOPPED {line.text}"
        self._write(f"{self._where()} · {text}")

    def _write_step(self) -> None:
        state, step = self._state, self._state.last
        if step is None:
            return
        self._written_at, self._written_step = self._clock(), state.step
        parts = [
            self._where(),
            f"epoch {state.epoch}",
            f"loss {formats.loss(state.train_loss)}",
            formats.rate(state.throughput.samples_per_second),
            f"lr {step.learning_rate:.1e}",
            f"grad norm {step.grad_norm:.2f}",
        ]
        named = (("MLX", "active"), ("peak", "peak"), ("process", "process"))
        parts.append(
            ", ".join(f"{n} {formats.size(step.memory[k])}" for n, k in named if k in step.memory)
        )
        parts.append(f"temperature {event_text.temperature(state.thermal)}")
        if not state.stop:
            parts.append(f"ETA {formats.duration(state.seconds_left)}")
        self._write(" · ".join(part for part in parts if part))

    def _where(self) -> str:
        state = self._state
        at = f"[{formats.duration(state.throughput.elapsed)}] step {state.step:,}"
        if state.total_steps:
            at += f"/{state.total_steps:,} ({state.step / state.total_steps:.1%})"
        return at

    def _write(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        # The reader (`| head`) may go while the run has hours of work to save: go on in silence.
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
            self._stream.flush()
