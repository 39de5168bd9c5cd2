"""The guard: a thread that monitors the temperature while the training loop works.

The loop calls `check` at step boundaries; the result changes no number it computes:

    with Guard(config.thermal, emit) as guard:
        for step in ...:
            ...
            action = guard.check(step)
            if action.kind == "pause":
                action = guard.wait_until_cool(step, cancelled=signals.received)
            if action.kind == "stop":
                ...  # checkpoint, exit with protocol.EXIT_OVERHEATED, report action.reason

The thread only reads the sensor and advances the policy. Events go out from `check` and
`wait_until_cool`, on the caller's thread, so listeners need no locks.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from mlxts.config.monitoring import ThermalConfig
from mlxts.errors import RunError
from mlxts.thermal import policy, sensors
from mlxts.thermal.policy import Action, Band, Rules, ThermalState
from mlxts.thermal.sensors import Choice
from mlxts.thermal.sensors.base import Sample, Sensor
from mlxts.training.events import Listener, PauseEvent, ResumeEvent, ThermalEvent

REPORT_SECONDS = 5.0  # between routine readings; a change of band is reported at once
SILENT_POLLS = 10  # polls without an answer after which the sensor counts as hung
SILENT_SECONDS = 10.0  # and at least this long


class Guard:
    """Context manager: chooses and opens the sensor, monitors it, and closes it."""

    def __init__(
        self,
        config: ThermalConfig,
        emit: Listener,
        *,
        step: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            config: which sensor, how often, and what to do without one.
            emit: is given ThermalEvent, PauseEvent and ResumeEvent.
            step: the optimizer step at which the run begins or continues.
            clock: seconds, monotonic.

        Raises:
            ConfigError: an unknown sensor, or a trace that cannot be read (on entering).
            RunError: no temperature, and `on_unavailable` is `stop` (on entering).
        """
        self._config, self._emit, self._step, self._clock = config, emit, step, clock
        self._rules = Rules(
            pause=config.pause, stop_when_unavailable=config.on_unavailable == "stop"
        )
        self._choice = Choice((), "none", "not entered")
        self._sensor: Sensor | None = None
        self._state, self._sample = ThermalState(), Sample()
        self._changes: deque[tuple[ThermalState, Sample, str]] = deque()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._read_at = self._reported_at = float("-inf")
        self._hung = False
        self._counts = _Counts()

    def __enter__(self) -> Self:
        self._choice = sensors.choose(self._config.sensor)
        sensor = self._choice.sensor
        off = self._choice.source == "off"
        if self._rules.stop_when_unavailable and not off and not self._choice.measures:
            if sensor:
                sensor.close()
            raise RunError(
                f"no temperature can be read ({self._choice.why}); "
                "see `mlxts thermal`, or set thermal.on_unavailable: warn"
            )
        self._sensor = sensor
        if sensor is not None:
            self._poll()
        self._report(self._step, self._state, self._sample, self._opening_message())
        if sensor is not None:
            self._thread = threading.Thread(target=self._watch, name="thermal guard", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._thread is not None:
            # A read that hangs in a driver cannot be ended; the thread is a daemon, leave it then.
            self._thread.join(timeout=SILENT_SECONDS)
            if not self._thread.is_alive() and self._sensor is not None:
                self._sensor.close()

    def check(self, step: int) -> Action:
        """What to do at this step boundary. Does not wait; emits events to the listener."""
        with self._changed:
            self._check_hung()
            changes = list(self._changes)
            self._changes.clear()
            state, sample = self._state, self._sample
        for then, reading, message in changes:
            self._report(step, then, reading, message)
        if self._clock() - self._reported_at >= REPORT_SECONDS:
            self._report(step, state, sample, "")
        return state.action

    def wait_until_cool(self, step: int, cancelled: Callable[[], bool] = lambda: False) -> Action:
        """Wait out a pause.

        Args:
            cancelled: called a few times a second; true ends the wait.

        Returns:
            `continue` when it has cooled down (or the sensor is lost), `stop` when it got worse,
            `pause` when the wait was cancelled.
        """
        action, began = self.check(step), self._clock()
        if action.kind == "pause":
            self._emit(PauseEvent(step, action.reason))
        while action.kind == "pause" and not cancelled():
            with self._changed:
                self._changed.wait(timeout=min(self._config.poll_seconds, 0.25))
            action = self.check(step)
        self._counts.paused += self._clock() - began
        if action.kind == "continue":
            self._emit(ResumeEvent(step, self._clock() - began))
        return action

    def to_dict(self) -> dict[str, Any]:
        """Which sensor rules, why, and by which rule: for the run's record."""
        return {
            "source": self._choice.source,
            "why": self._choice.why,
            "candidates": {c.name: c.verdict for c in self._choice.candidates},
            "statistic": f"max(cpu mean, gpu mean), median of {policy.WINDOW} readings",
            "poll_seconds": self._config.poll_seconds,
            "on_unavailable": self._config.on_unavailable,
            "pause": self._config.pause,
        }

    def summary(self) -> dict[str, Any]:
        """What was seen so far: for the run's summary. Degrees Celsius and seconds."""
        with self._changed:
            return {"source": self._choice.source, **self._counts.to_dict()}

    def _watch(self) -> None:
        while not self._stopping.wait(self._config.poll_seconds):
            self._poll()

    def _poll(self) -> None:
        assert self._sensor is not None
        fault = ""
        try:
            sample = self._sensor.read()
        except Exception as error:  # a thread that died here would leave the run unwatched
            sample, fault = Sample(), f" ({self._choice.source}: {error})"
        with self._changed:
            before = self._state
            self._state = policy.advance(before, sample.temperature, sample.pressure, self._rules)
            self._sample, self._read_at, self._hung = sample, self._clock(), False
            self._counts.add(self._state, sample)
            if message := policy.change(before, self._state):
                self._changes.append((self._state, sample, message + fault))
            self._changed.notify_all()

    def _check_hung(self) -> None:
        """Count a sensor that stopped answering as lost. Holds the lock."""
        patience = max(SILENT_SECONDS, SILENT_POLLS * self._config.poll_seconds)
        if self._thread is None or self._hung or self._clock() - self._read_at <= patience:
            return
        # A process that was suspended finds an old reading too: let the thread take a new one.
        last_read = self._read_at
        if self._changed.wait_for(lambda: self._read_at != last_read, timeout=SILENT_SECONDS / 2):
            return
        self._hung, self._sample = True, Sample()
        before = self._state
        for _ in range(policy.WINDOW):
            self._state = policy.advance(self._state, None, None, self._rules)
        if message := policy.change(before, self._state):
            self._changes.append((self._state, self._sample, f"{message} (the sensor hangs)"))

    def _opening_message(self) -> str:
        if self._choice.source == "off":
            return "temperature is not monitored (switched off)"
        if not self._choice.measures:
            return f"temperature unavailable: {self._choice.why}"
        return f"temperature from {self._choice.source}: {self._choice.why}"

    def _report(self, step: int, state: ThermalState, sample: Sample, message: str) -> None:
        self._reported_at = self._clock()
        self._emit(
            ThermalEvent(
                step=step,
                band=str(state.band),
                temperature=state.temperature,
                source=self._choice.source,
                message=message,
                cpu=sample.cpu,
                gpu=sample.gpu,
                hottest=sample.hottest,
                probes=len(sample.plausible),
                pressure=None if state.pressure is None else state.pressure.name.capitalize(),
            )
        )


class _Counts:
    """Counts over the whole run."""

    def __init__(self) -> None:
        self.readings = 0
        self.paused = 0.0
        self.bands = dict.fromkeys(Band, 0)
        self.highest: float | None = None
        self.hottest: float | None = None

    def add(self, state: ThermalState, sample: Sample) -> None:
        self.readings += 1
        self.bands[state.band] += 1
        self.highest = _maximum(self.highest, state.temperature)
        self.hottest = _maximum(self.hottest, sample.hottest)

    def to_dict(self) -> dict[str, Any]:
        return {
            "readings": self.readings,
            "readings_in_band": {str(band): count for band, count in self.bands.items()},
            "highest": self.highest,  # of the figure that rules
            "hottest": self.hottest,  # of any probe
            "paused_seconds": self.paused,
        }


def _maximum(first: float | None, second: float | None) -> float | None:
    return max((value for value in (first, second) if value is not None), default=None)
