"""Events as one line of text each, with its severity."""

from dataclasses import dataclass
from typing import Literal

from mlxts import formats
from mlxts.protocol import BASELINE
from mlxts.training.events import (
    CompileEvent,
    Event,
    NoticeEvent,
    PauseEvent,
    ReferenceEvent,
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
    """An event as text; None for steps, epochs, checkpoints, which validations and the end tell of,
    and routine temperature readings."""
    match event:
        case StartEvent(step=step, total_steps=total, resumed=resumed):
            verb = f"resuming at step {step:,}" if resumed else "training"
            return Line(f"{verb}: at most {total:,} steps, {event.epochs} epochs")
        case CompileEvent():
            return Line("compiling kernels (once)")
        case ValidationEvent():
            return _validation(event)
        case ReferenceEvent(name=name, loss=loss):
            return Line(f"to beat: {reference_name(name)}, validation loss {formats.loss(loss)}")
        case ThermalEvent(message=message, band=band):
            return Line(message, BANDS.get(band, "plain")) if message else None
        case PauseEvent(reason=reason):
            return Line(f"pausing: {reason}", "warning")
        case ResumeEvent(seconds=seconds):
            return Line(f"resumed after {formats.duration(seconds)}", "good")
        case NoticeEvent(message=message):
            return Line(message, "warning")
        case StopEvent(reason=reason, message=message):
            name = reason.replace("_", " ")
            text = f"{name}: {message}" if message else name
            return Line(text, "good" if reason in EXPECTED else "critical")
    return None


def _validation(event: ValidationEvent) -> Line:
    low, high = event.prediction_range
    text = f"validation loss {formats.loss(event.loss)} · best {formats.loss(event.best)}"
    text += f" · predictions {low:.3f} to {high:.3f}"
    return Line(f"{text} · improved", "good") if event.improved else Line(text)


def reference_name(name: str) -> str:
    """HAR, linear."""
    return name.upper() if name == BASELINE else name


def temperature(event: ThermalEvent | None) -> str:
    """`CPU 71 · GPU 68 · max 88 °C · Nominal · smc`, leaving out what is not known."""
    if event is None:
        return formats.UNKNOWN
    if event.source == "off":
        return "off"
    groups = (("CPU", event.cpu), ("GPU", event.gpu))
    named = [f"{name} {value:.0f}" for name, value in groups if value is not None]
    if not named and event.temperature is not None:
        # Either a chip that names no CPU probe, or the median holds while one reading is missing.
        named = [f"{'die ' if event.probes else ''}{event.temperature:.0f}"]
    if event.hottest is not None:
        named.append(f"max {event.hottest:.0f}")
    parts = [" · ".join(named) + " °C"] if named else ["unavailable"]
    parts += [event.pressure] if event.pressure else []
    parts += [event.source] if event.source != "none" else []
    return " · ".join(parts)
