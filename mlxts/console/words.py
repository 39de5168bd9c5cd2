"""Quantities as short words, the same ones on the live screen and in plain lines."""

import math

from mlxts.training.events import ThermalEvent


def duration(seconds: float | None) -> str:
    """3:07, 1:02:07, 2d 3:04:05; a dash for what is not known."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def span(seconds: float) -> str:
    """A short time: 52.3 ms, 4.21 s."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def size(count: int) -> str:
    """Bytes in binary units: 312 MiB, 1.4 GiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB" if value < 1000 else f"{value / 1024:.1f} TiB"


def loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def rate(value: float | None) -> str:
    """Samples a second: 1,234 samples/s, 8.4 samples/s."""
    if value is None:
        return "– samples/s"
    return f"{value:,.0f} samples/s" if value >= 100 else f"{value:.1f} samples/s"


def temperature(event: ThermalEvent | None) -> str:
    """`CPU 71 · GPU 68 · max 88 °C · Nominal · smc`, leaving out what is not known."""
    if event is None:
        return "–"
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
