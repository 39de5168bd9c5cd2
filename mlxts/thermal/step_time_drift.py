"""Throttling that no sensor shows: steps that take longer than at the start of the run.

On some Macs the GPU slows down by 15–65 % while the clocks and the pressure look nominal. A run
whose step time drifts is marked, and its timings are excluded from scaling figures.
"""

from statistics import median
from typing import Any

TOLERANCE = 0.15  # relative
WINDOW = 50  # steps under one median
BASELINE = 3  # windows that set the run's baseline
SKIP = 10  # first steps, which compile and warm caches


class StepTimeDrift:
    """Compares step times, pauses excluded, with the first ones. Once drifted, a run stays so."""

    def __init__(self, *, window: int = WINDOW, baseline: int = BASELINE, skip: int = SKIP) -> None:
        self._window, self._baseline_windows, self._skip = window, baseline, skip
        self._seconds: list[float] = []
        self._baseline: list[float] = []  # medians of the first windows
        self.ratio = 1.0  # last full window's median / the run's baseline
        self.highest = 1.0  # ratio so far
        self.drifted = False

    @property
    def reason(self) -> str:
        return f"step time rose by up to {self.highest - 1:.0%}"

    def to_dict(self) -> dict[str, Any]:
        """For the run's summary; the reason is None where the step time did not drift."""
        return {
            "step_time_drift": self.drifted,
            "step_time_drift_reason": self.reason if self.drifted else None,
            "step_time_ratio": self.ratio,
        }

    def add(self, seconds: float) -> bool:
        """Count one step. True exactly when the run counts as drifted from this step on."""
        if self._skip:
            self._skip -= 1
            return False
        self._seconds.append(seconds)
        if len(self._seconds) < self._window:
            return False
        window_median = median(self._seconds)
        self._seconds.clear()
        if len(self._baseline) < self._baseline_windows:
            self._baseline.append(window_median)
            return False
        self.ratio = window_median / median(self._baseline)
        self.highest = max(self.highest, self.ratio)
        if self.drifted or self.ratio <= 1 + TOLERANCE:
            return False
        self.drifted = True
        return True
