"""Throughput of a run and its estimated time of arrival."""

from collections.abc import Callable

WEIGHT = 0.1  # of the newest step in the moving average
SKIP = 10  # first steps, which compile and warm caches


class Throughput:
    """Moving average of step time, without the first steps and without pauses.

    The time left also counts what lies between steps (validation, checkpoints): the steps' own
    time is scaled by the share of the wall clock that they took so far.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._seen = 0
        self._step_seconds: float | None = None
        self._step_samples: float | None = None
        # Since the first counted step: when it ended, seconds within steps, seconds paused.
        self._since: float | None = None
        self._stepping = self._paused = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the start, pauses included."""
        return self._clock() - self._began

    @property
    def step_seconds(self) -> float | None:
        return self._step_seconds

    @property
    def samples_per_second(self) -> float | None:
        """Samples of a step over its time, so that the two figures on a screen agree."""
        if self._step_samples is None or not self._step_seconds:
            return None
        return self._step_samples / self._step_seconds

    def step(self, seconds: float, samples: int) -> None:
        """Count a step that has just ended."""
        self._seen += 1
        if self._seen <= SKIP:
            return
        if self._since is None:
            self._since = self._clock()
            self._step_seconds, self._step_samples = seconds, float(samples)
            return
        self._stepping += seconds
        self._step_seconds = _moving_average(self._step_seconds, seconds)
        self._step_samples = _moving_average(self._step_samples, samples)

    def pause(self, seconds: float) -> None:
        """Leave a pause that has just ended out of what follows."""
        if self._since is not None:
            self._paused += seconds

    def eta(self, steps: int) -> float | None:
        """Seconds that `steps` more will take; None while too few have been seen."""
        if self._since is None or self._step_seconds is None:
            return None
        wall = self._clock() - self._since - self._paused
        between = max(1.0, wall / self._stepping) if self._stepping > 0 else 1.0
        return steps * self._step_seconds * between


def _moving_average(average: float | None, newest: float | None) -> float | None:
    if average is None or newest is None:
        return newest if average is None else average
    return (1 - WEIGHT) * average + WEIGHT * newest
