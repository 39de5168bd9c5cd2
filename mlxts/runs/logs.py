"""Reading a run's log: metrics.jsonl and events.jsonl, one JSON object a line."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import model_validator

from mlxts import json_files
from mlxts.errors import RunError
from mlxts.runs.layout import EVENTS

# The fields of a line of each kind besides its step, time and loss.
_NEEDED = {
    "train": ("epoch", "seconds", "samples", "learning_rate", "grad_norm"),
    "train_epoch": ("epoch", "seconds"),
    "validation": ("epoch", "best", "improved", "prediction_range"),
}


class _Line(json_files.Shape):
    step: int
    time: float


class _MetricLine(_Line):
    """A line of metrics.jsonl; a number that was not finite is null."""

    split: Literal["train", "validation", "train_epoch"]
    loss: float | None
    epoch: int = 0
    seconds: float = 0.0  # of a step, an epoch
    samples: int = 0
    learning_rate: float | None = None
    grad_norm: float | None = None
    memory: float | None = None
    best: float | None = None
    improved: bool = False
    prediction_range: tuple[Any, Any] = (None, None)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for key in _NEEDED[self.split]:
            if key not in self.model_fields_set:
                raise ValueError(f"{key} is missing")
        return self


class _EventLine(_Line):
    """A line of events.jsonl."""

    event: str
    message: str = ""
    reason: str = ""


def read(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's record; a torn last line is left out. Raises RunError."""
    remedy = "delete that line, or restore the file from a backup"
    shape = _EventLine if path.name == EVENTS else _MetricLine
    return json_files.read_lines(path, shape, error=RunError, remedy=remedy, torn_end=True)
