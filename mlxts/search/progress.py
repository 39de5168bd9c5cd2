"""What a study looks like right now, gathered from its trials and this process's training."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import optuna
from optuna.trial import FrozenTrial, TrialState

from mlxts.console import words
from mlxts.console.sentences import BANDS, Line
from mlxts.search import objective, sampling, storage, study
from mlxts.search.space import Values
from mlxts.training.events import Event, StartEvent, StepEvent, ThermalEvent, ValidationEvent
from mlxts.training.plan import Plan

RECENT = 8  # lines kept of what happened


@dataclass
class Current:
    """The trial that this process trains."""

    number: int
    values: Values
    total_steps: int
    epochs: int
    step: int = 0
    epoch: int = 0
    loss: float | None = None  # best validation loss so far


@dataclass(frozen=True)
class Counts:
    """Suggestions by what became of them."""

    done: int = 0
    running: int = 0
    pruned: int = 0
    waiting: int = 0
    failed: int = 0  # given up, not queued again
    duplicates: int = 0  # among done and pruned

    @property
    def ended(self) -> int:
        return self.done + self.pruned + self.failed


@dataclass
class Progress(study.Watcher):
    """Updated by every event and whenever a trial is over."""

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = datetime.now
    name: str = ""
    target: int = 0
    counts: Counts = field(default_factory=Counts)
    best: FrozenTrial | None = None
    bests: list[float] = field(default_factory=list)  # best value after each trial that ended
    seconds_a_trial: float | None = None
    current: Current | None = None
    thermal: ThermalEvent | None = None
    recent: deque[tuple[str, Line]] = field(default_factory=lambda: deque(maxlen=RECENT))

    def __post_init__(self) -> None:
        self._since = self.clock()
        self._told: set[int] | None = None

    @property
    def elapsed(self) -> float:
        """Seconds of this session."""
        return self.clock() - self._since

    @property
    def seconds_left(self) -> float | None:
        """Until the last trial, at the mean pace of those that ended; None before the first."""
        if self.seconds_a_trial is None:
            return None
        left = max(0, self.target - self.counts.ended)
        return left * self.seconds_a_trial / max(1, self.counts.running)

    def __call__(self, event: Event) -> None:
        current = self.current
        if isinstance(event, ThermalEvent):
            self.thermal = event
            if event.message and event.band in BANDS:
                self._say(Line(event.message, BANDS[event.band]))
        elif current and isinstance(event, StartEvent):
            current.step = event.step
        elif current and isinstance(event, StepEvent):
            current.step, current.epoch = event.step, event.epoch
        elif current and isinstance(event, ValidationEvent):
            current.loss = event.best

    def began(self, trial: optuna.Trial, values: Values, plan: Plan | None) -> None:
        if plan:
            epochs = plan.config.training.max_epochs
            self.current = Current(trial.number, values, plan.total_steps, epochs)
        self._count(trial.study)

    def ended(self, study: optuna.Study) -> None:
        self.current = None
        self._count(study)
        seen = {t.number: t for t in study.get_trials(deepcopy=False) if t.state.is_finished()}
        new = [] if self._told is None else sorted(set(seen) - self._told)
        self._told = set(seen)
        for number in new:
            self._say(sentence(seen[number], self.best))

    def _count(self, one: optuna.Study) -> None:
        trials = one.get_trials(deepcopy=False)
        again = [trial for trial in trials if sampling.ORIGIN in trial.system_attrs]
        # The last try of every suggestion.
        last = {sampling.ordinal(one, t): t for t in (*sampling.suggestions(one), *again)}
        states = [trial.state for trial in last.values()]
        self.name = one.study_name
        self.target = one.user_attrs["target_trials"]
        self.counts = Counts(
            *(
                states.count(state)
                for state in (
                    TrialState.COMPLETE,
                    TrialState.RUNNING,
                    TrialState.PRUNED,
                    TrialState.WAITING,
                    TrialState.FAIL,
                )
            ),
            duplicates=sum(objective.DUPLICATE in trial.user_attrs for trial in last.values()),
        )
        self.best = study.best(one)
        self.bests = best_so_far(list(last.values()))
        spans = [seconds for t in last.values() if (seconds := _seconds(t)) is not None]
        self.seconds_a_trial = sum(spans) / len(spans) if spans else None

    def _say(self, line: Line) -> None:
        self.recent.append((f"{self.now():%H:%M:%S}", line))


def best_so_far(trials: list[FrozenTrial]) -> list[float]:
    """The lowest value after each complete trial, in the order in which they ended."""
    ended = [t for t in trials if t.state == TrialState.COMPLETE and t.datetime_complete]
    values: list[float] = []
    for trial in sorted(ended, key=lambda t: (str(t.datetime_complete), t.number)):
        assert trial.value is not None
        values.append(min([trial.value, *values[-1:]]))
    return values


def sentence(trial: FrozenTrial, best: FrozenTrial | None) -> Line:
    """What became of a trial, in one line."""
    reason = trial.user_attrs.get(objective.REASON)
    twin = trial.user_attrs.get(objective.DUPLICATE)
    begin = f"trial {trial.number}"
    if twin is not None:
        return Line(f"{begin}: the same as trial {twin}, not trained again")
    if trial.state == TrialState.COMPLETE:
        if best and best.number == trial.number:
            return Line(f"{begin}: {words.loss(trial.value)}, the best so far", "good")
        return Line(f"{begin}: {words.loss(trial.value)}")
    if trial.state == TrialState.PRUNED:
        loud = reason is not None and not reason.startswith("not promising")
        return Line(
            f"{begin}: pruned, {reason or 'no reason given'}", "warning" if loud else "plain"
        )
    counted = trial.user_attrs.get(storage.AGAIN)
    if counted is None or (counted and len(storage.retries(trial)) >= storage.MAX_RETRY):
        why = trial.user_attrs.get(storage.WHY, "its worker died")
        return Line(f"{begin}: failed and given up, {why}", "warning")
    return Line(f"{begin}: cut short, it is queued again", "warning")


def parameters(values: dict[str, int | float]) -> str:
    """depth 4 · weight_decay 0.0123"""
    return " · ".join(f"{name} {value:.3g}" for name, value in values.items())


def _seconds(trial: FrozenTrial) -> float | None:
    if trial.state not in study.FINISHED or objective.DUPLICATE in trial.user_attrs:
        return None
    return None if trial.duration is None else trial.duration.total_seconds()
