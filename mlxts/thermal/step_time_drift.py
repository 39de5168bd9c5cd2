"""Heat that no sensor shows: steps that take longer than those at the start of the run.

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
    """Watches step times, pauses excluded. Once suspect, a run stays so."""

    def __init__(self, *, window: int = WINDOW, baseline: int = BASELINE, skip: int = SKIP) -> None:
        self._window, self._baseline_windows, self._skip = window, baseline, skip
        self._seconds: list[float] = []
        self._baseline: list[float] = []  # medians of the first windows
        self.ratio = 1.0  # last full window's median / the run's baseline
        self.highest = 1.0  # ratio so far
        self.suspect = False

    @property
    def reason(self) -> str:
        return f"step time rose by up to {self.highest - 1:.0%}"

    def to_dict(self) -> dict[str, Any]:
        """For the run's summary; `suspect_reason` is None for a run above suspicion."""
        return {
            "suspect": self.suspect,
            "suspect_reason": self.reason if self.suspect else None,
            "step_time_ratio": self.ratio,
        }

    def add(self, seconds: float) -> bool:
        """Count one step. True exactly when it makes the run suspect."""
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
        if self.suspect or self.ratio <= 1 + TOLERANCE:
            return False
        self.suspect = True
        return True
