"""Events as one line of text, and how loud each is."""

from dataclasses import dataclass
from typing import Literal

from mlxts.console import words
from mlxts.training.events import (
    CheckpointEvent,
    CompileEvent,
    Event,
    NoticeEvent,
    PauseEvent,
    ResumeEvent,
    StartEvent,
    StopEvent,
    ThermalEvent,
    ValidationEvent,
)

Tone = Literal["plain", "good", "warning", "critical"]

BANDS: dict[str, Tone] = {"warning": "warning", "critical": "critical"}
# Stops that a person planned for; the others are loud.
EXPECTED = {"finished", "early_stop"}


@dataclass(frozen=True)
class Line:
    text: str
    tone: Tone = "plain"


def describe(event: Event) -> Line | None:
    """What to say about an event; None for steps, epochs and routine temperature readings."""
    match event:
        case StartEvent(step=step, total_steps=total, resumed=resumed):
            verb = f"resuming at step {step:,}" if resumed else "training"
            return Line(f"{verb}: at most {total:,} steps, {event.epochs} epochs")
        case CompileEvent():
            return Line("compiling kernels (once)")
        case ValidationEvent():
            return _validation(event)
        case CheckpointEvent(best=best):  # always in the run's folder, which the header names
            return Line("best checkpoint saved", "good") if best else Line("checkpoint saved")
        case ThermalEvent(message=message, band=band):
            return Line(message, BANDS.get(band, "plain")) if message else None
        case PauseEvent(reason=reason):
            return Line(f"pausing: {reason}", "warning")
        case ResumeEvent(seconds=seconds):
            return Line(f"resumed after {words.duration(seconds)}", "good")
        case NoticeEvent(message=message):
            return Line(message, "warning")
        case StopEvent(reason=reason, message=message):
            name = reason.replace("_", " ")
            text = f"{name}: {message}" if message else name
            return Line(text, "good" if reason in EXPECTED else "critical")
    return None


def _validation(event: ValidationEvent) -> Line:
    low, high = event.prediction_range
    text = f"validation loss {words.loss(event.loss)} · best {words.loss(event.best)}"
    text += f" · predictions {low:.3f} to {high:.3f}"
    return Line(f"{text} · improved", "good") if event.improved else Line(text)
