"""A small run as a stream of events."""

import math
from collections.abc import Iterator
from typing import Any

from mlxts.training.events import (
    CheckpointEvent,
    CompileEvent,
    Event,
    StartEvent,
    StepEvent,
    ThermalEvent,
    ValidationEvent,
)

HEADER = {
    "run": "demo-3fa91c2e",
    "model": "PatchTST mixing · 6 layers · d 160",
    "parameters": "2,001,234 (body 1,893,120)",
    "data": "sample SPX 1999–2018",
    "device": "cpu",
    "seed": "0",
}
MEMORY = {"active": 312 << 20, "peak": 1288490188, "cache": 96 << 20, "process": 1503238553}


def step(number: int, loss: float = 0.5, seconds: float = 0.05) -> StepEvent:
    return StepEvent(number, (number - 1) // 50, loss, 1e-4, 0.8, 64, seconds, MEMORY)


def heat(band: str = "acceptable", message: str = "", **values) -> ThermalEvent:
    given: dict[str, Any] = {
        "cpu": 71.0,
        "gpu": 68.0,
        "hottest": 88.0,
        "probes": 19,
        "pressure": "Nominal",
    }
    return ThermalEvent(0, band, 71.0, "smc", message, **(given | values))


def validation(number: int, loss: float, improved: bool) -> ValidationEvent:
    return ValidationEvent(number, (number - 1) // 50, loss, min(loss, 0.49), improved, (0.1, 0.6))


def run(steps: int = 200, total: int = 1000) -> Iterator[Event]:
    yield StartEvent(0, total, 20, False, HEADER)
    yield heat()
    yield CompileEvent(0)
    for number in range(1, steps + 1):
        yield step(number, 0.48 + 0.2 * math.exp(-number / 50))
        if number % 25 == 0:
            yield validation(number, 0.49 + 0.1 * math.exp(-number / 40), True)
            yield CheckpointEvent(number, "outputs/runs/demo/checkpoint/best", True)
