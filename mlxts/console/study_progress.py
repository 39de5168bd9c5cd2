"""The state of a search or a sweep on the screen: its trials, and the training of this process."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mlxts.console.event_text import BANDS, Line
from mlxts.console.state import RunState
from mlxts.training.events import Event, ThermalEvent

RECENT = 30  # log lines kept
Parameters = Mapping[str, int | float]


@dataclass(frozen=True)
class BestTrial:
    number: int
    value: float
    parameters: Parameters
    n_total: int | None  # parameters of the model


@dataclass(frozen=True)
class Running:
    """A trial that a worker trains: its number, what people call it, where, and since when."""

    number: int
    label: str
    host: str
    since: datetime | None


@dataclass(frozen=True)
class StudySnapshot:
    """A snapshot of a study: of a search, or of a sweep, whose trials are runs.

    Attributes:
        target: how many trials there are to be.
        counts: trials by what became of them: done, running, pruned, waiting, failed (given up).
        best_values: the lowest value after each trial that ended.
        seconds_per_trial: mean of those that ended; None before the first.
        ended: a line for each trial that has ended, by its number.
        noun: trial, or run. running: what the workers do. outcomes: of a sweep, how many runs have
            each verdict.
    """

    name: str
    target: int
    counts: dict[str, int]
    best: BestTrial | None
    best_values: list[float]
    seconds_per_trial: float | None
    ended: dict[int, Line]
    noun: str = "trial"
    running: tuple[Running, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_ended(self) -> int:
        return sum(self.counts[state] for state in ("done", "pruned", "failed"))

    @property
    def seconds_left(self) -> float | None:
        """Until the last trial, at the mean pace of those that ended; None before the first."""
        if self.seconds_per_trial is None:
            return None
        left = max(0, self.target - self.n_ended)
        return left * self.seconds_per_trial / max(1, self.counts["running"])


NOTHING = StudySnapshot(
    "", 0, dict.fromkeys(("done", "running", "pruned", "waiting", "failed"), 0), None, [], None, {}
)


@dataclass
class CurrentTrial:
    """The trial that this process trains."""

    number: int
    parameters: Parameters
    label: str = ""
    run: RunState = field(default_factory=RunState)


@dataclass
class StudyProgress:
    """Updated by every event and whenever a trial is over."""

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = datetime.now
    study: StudySnapshot = NOTHING
    current: CurrentTrial | None = None
    thermal: ThermalEvent | None = None
    recent: deque[tuple[str, Line]] = field(default_factory=lambda: deque(maxlen=RECENT))

    def __post_init__(self) -> None:
        self._since = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds of this session."""
        return self.clock() - self._since

    def update(self, event: Event) -> None:
        """Take in an event of this process's training."""
        if self.current:
            self.current.run.update(event)
        if isinstance(event, ThermalEvent):
            self.thermal = event
            if event.message and event.band in BANDS:
                self._add(Line(event.message, BANDS[event.band]))

    def begin(self, study: StudySnapshot, trial: CurrentTrial) -> None:
        """A trial of this process is about to train."""
        self._refresh(study)
        self.current = trial

    def end(self, study: StudySnapshot) -> None:
        """A trial of this process is over, or another process may have changed the study."""
        self._refresh(study)
        self.current = None

    def _refresh(self, study: StudySnapshot) -> None:
        if self.study is not NOTHING:
            for number in sorted(study.ended.keys() - self.study.ended.keys()):
                self._add(study.ended[number])
        self.study = study

    def _add(self, line: Line) -> None:
        self.recent.append((f"{self.now():%H:%M:%S}", line))


def spelled(parameters: Parameters) -> str:
    """depth 4 · weight_decay 0.0123"""
    return " · ".join(f"{name} {value:.3g}" for name, value in parameters.items())
