"""The events of a training run. Console, log and trackers listen; the loop knows none of them.

Losses are nats per sample (regression: Huber in target deviations), times are seconds,
memory is bytes, temperatures are degrees Celsius.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """Root of all events. `step` counts optimizer steps done so far."""

    step: int

    @property
    def kind(self) -> str:
        return type(self).__name__.removesuffix("Event").lower()

    def to_dict(self) -> dict[str, Any]:
        """The event as one flat JSON object."""
        return {"event": self.kind, **asdict(self)}


@dataclass(frozen=True)
class StartEvent(Event):
    """Training begins or continues. `header` holds what the console shows above the numbers."""

    total_steps: int
    epochs: int
    resumed: bool
    header: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReferenceEvent(Event):
    """What the network has to beat, known before training: the loss of its reference on the
    samples that validation losses are taken on."""

    name: str  # har, linear; `reference` where assets have different ones
    loss: float


@dataclass(frozen=True)
class CompileEvent(Event):
    """The first step of a fresh process compiles its kernels; this takes a while, once."""


@dataclass(frozen=True)
class StepEvent(Event):
    epoch: int  # from 0, here and below; what a person reads counts from 1
    loss: float
    learning_rate: float
    grad_norm: float
    samples: int  # in this step
    seconds: float  # of this step
    memory: dict[str, int]  # active, peak, cache, process


@dataclass(frozen=True)
class EpochEvent(Event):
    epoch: int
    train_loss: float
    seconds: float


@dataclass(frozen=True)
class ValidationEvent(Event):
    epoch: int
    loss: float
    best: float
    improved: bool
    prediction_range: tuple[float, float]


@dataclass(frozen=True)
class CheckpointEvent(Event):
    path: str
    best: bool


@dataclass(frozen=True)
class ThermalEvent(Event):
    """A temperature reading. A routine reading has no message; a change of band has one."""

    band: str  # normal, acceptable, warning, critical, unavailable
    temperature: float | None  # max(cpu mean, gpu mean), median of three readings
    source: str
    message: str
    cpu: float | None = None  # mean of the CPU's probes, as just read
    gpu: float | None = None
    hottest: float | None = None  # the hottest single probe
    probes: int = 0  # how many plausible values the reading is from
    pressure: str | None = None  # as the system reports it, e.g. Nominal


@dataclass(frozen=True)
class PauseEvent(Event):
    """Training waits between two steps; nothing it computes depends on that."""

    reason: str


@dataclass(frozen=True)
class ResumeEvent(Event):
    seconds: float  # how long it waited


@dataclass(frozen=True)
class NoticeEvent(Event):
    """Something worth a line in the log: a warning, a collapse."""

    message: str


@dataclass(frozen=True)
class StopEvent(Event):
    reason: str  # finished, early_stop, interrupted, overheated, diverged
    message: str


Listener = Callable[[Event], None]


class Relay:
    """A listener that passes events on to one that is named, or changed, later."""

    def __init__(self, target: Listener) -> None:
        self._target = target

    def connect(self, target: Listener) -> None:
        self._target = target

    def __call__(self, event: Event) -> None:
        self._target(event)
