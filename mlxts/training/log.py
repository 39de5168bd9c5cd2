"""The run's own record: metrics.jsonl and events.jsonl, one JSON object a line, flushed at once."""

import json
import math
import time
from pathlib import Path
from typing import Any, Self, TextIO

from mlxts.errors import StorageError
from mlxts.files import write_text
from mlxts.runs.layout import EVENTS, METRICS
from mlxts.runs.logs import read
from mlxts.training.events import (
    CompileEvent,
    EpochEvent,
    Event,
    StepEvent,
    ThermalEvent,
    ValidationEvent,
)


class RunLog:
    """A listener that writes a run's lines.

    Numbers of steps, validations and epochs go to metrics.jsonl; everything else that happened
    goes to events.jsonl. Opening it with `step` cuts both back to what had happened by then, so
    that a resumed run's record has neither gaps nor repetitions; at step 0 nothing had.
    """

    def __init__(self, folder: Path, step: int):
        self._paths = (folder / METRICS, folder / EVENTS)
        self._step = step
        self._files: list[TextIO] = []
        self.lost_steps = 0  # before `step` that metrics.jsonl no longer has

    def __enter__(self) -> Self:
        for path in self._paths:
            rows = _truncate(path, self._step)
            if path.name == METRICS:
                logged_steps = {row["step"] for row in rows if row["split"] == "train"}
                self.lost_steps = self._step - len(logged_steps)
            self._files.append(path.open("a", encoding="utf-8"))
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._files:
            stream.close()
        self._files = []

    def __call__(self, event: Event) -> None:
        """Write one event. Raises StorageError when the disk is full."""
        if isinstance(event, CompileEvent) or _is_routine(event):
            return
        is_metric = isinstance(event, StepEvent | EpochEvent | ValidationEvent)
        row = metric_row(event) if is_metric else event.to_dict()
        line = json.dumps({**_finite(row), "time": round(time.time(), 3)}, default=str)
        stream = self._files[0 if is_metric else 1]
        try:
            stream.write(line + "\n")
            stream.flush()
        except OSError as error:
            raise StorageError(
                f"could not write {stream.name}: {error.strerror}; free some disk space, "
                "then continue with --resume"
            ) from error


def metric_row(event: Event) -> dict[str, Any]:
    """A numbers event as a row that can be read as a table: step, split, loss, then the rest."""
    row = event.to_dict()
    kind = row.pop("event")
    if kind == "epoch":
        return {
            "step": event.step,
            "split": "train_epoch",
            "loss": row.pop("train_loss"),
            **row,
        }
    split = "train" if kind == "step" else "validation"
    if kind == "step":
        row["memory"] = row["memory"].get("peak")
    return {"step": event.step, "split": split, **row}


def _is_routine(event: Event) -> bool:
    """A reading without a message changes nothing; thousands of them would bury what did."""
    return isinstance(event, ThermalEvent) and not event.message


def _truncate(path: Path, step: int) -> list[dict[str, Any]]:
    """Drop the lines after `step`, all of them where it is 0; returns the others."""
    rows = [row for row in read(path) if step and row["step"] <= step]
    if path.exists():
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    return rows


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }
