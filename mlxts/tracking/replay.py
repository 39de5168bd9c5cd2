"""A run's own record (JSONL) as the events that it was written from, each with its time."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlxts.errors import RunError
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.training import events as event_types
from mlxts.training.events import EpochEvent, Event, StepEvent, ValidationEvent

_KINDS: dict[str, type[Event]] = {
    kind.__name__.removesuffix("Event").lower(): kind
    for kind in vars(event_types).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}
_NOT_LOGGED = "memory"  # of a step; its peak alone is


def events(folder: Path) -> Iterator[tuple[Event, float]]:
    """Every event in the record of a run, in order of time.

    Routine readings of the temperature and all of a step's memory but its peak are not in it.
    """
    rows = [*RunFolder(folder).metrics(), *RunFolder(folder).events()]
    for row in sorted(rows, key=lambda row: row["time"]):
        event = _event(row)
        if event is not None:
            yield event, float(row["time"])


def _event(row: dict[str, Any]) -> Event | None:
    """None for a kind that this version does not know."""
    row = {key: value for key, value in row.items() if key != "time"}
    split = row.pop("split", None)
    if split is None:
        kind = _KINDS.get(row.pop("event", ""))
        return None if kind is None else kind(**_fields_of(kind, row))
    # A number that was not finite is null there.
    row["loss"] = float("nan") if row["loss"] is None else row["loss"]
    if split == "train":
        peak = row.pop("memory", None)
        return StepEvent(
            **_fields_of(StepEvent, row), memory={} if peak is None else {"peak": peak}
        )
    if split == "train_epoch":
        return EpochEvent(**_fields_of(EpochEvent, {**row, "train_loss": row["loss"]}))
    return ValidationEvent(**_fields_of(ValidationEvent, row))


def _fields_of(kind: type[Event], row: dict[str, Any]) -> dict[str, Any]:
    """The fields of a kind; what another version wrote besides is left out.

    Raises:
        RunError: one without a default is missing.
    """
    for field in dataclasses.fields(kind):
        if field.name not in row and field.name != _NOT_LOGGED and _is_needed(field):
            raise RunError(
                f"a logged {kind.__name__} of step {row.get('step')} has no {field.name}; restore "
                f"{layout.METRICS} and {layout.EVENTS} from a backup"
            )
    return {key: value for key, value in row.items() if key in kind.__dataclass_fields__}


def _is_needed(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
