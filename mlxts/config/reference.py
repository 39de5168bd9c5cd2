"""Every key of a configuration with its type, limits, default and meaning, out of the sections."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from mlxts import protocol
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.validation import WHOLE, ConfigSection

_NAMED = {"budget": protocol.BUDGETS, "task": protocol.TASKS, "timescale": protocol.TIMESCALES}
_LIMITS = (
    ("exclusiveMinimum", "> {}"), ("minimum", "≥ {}"), ("exclusiveMaximum", "< {}"),
    ("maximum", "≤ {}"),
)  # fmt: skip
_TYPES = {"integer": "whole number", "number": "number", "boolean": "true or false",
          "string": "text", "object": "keys and values"}  # fmt: skip


@dataclass(frozen=True)
class Key:
    """One key of a configuration.

    Attributes:
        name: with the section, as `--set` takes it. values: its type and limits, or its choices.
        default: as YAML would show it; None where the key is required.
        description: empty where the name says it all.
    """

    name: str
    values: str
    default: str | None
    description: str


def all_keys() -> list[Key]:
    """All keys, in the order of the sections."""
    return list(_keys(ExperimentConfig, ""))


def _keys(section: type[ConfigSection], prefix: str) -> Iterator[Key]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, ConfigSection):
            yield from _keys(kind, f"{prefix}{name}.")
        else:
            default = None if field.is_required() else _default(field)
            yield Key(prefix + name, _values(name, field), default, field.description or "")


def _default(field: FieldInfo) -> str:
    return json.dumps(field.get_default(call_default_factory=True), ensure_ascii=False)


def _values(name: str, field: FieldInfo) -> str:
    if name in _NAMED:
        return _choices(_NAMED[name])
    optional = NoneType in get_args(field.annotation)
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    kind: Any = kinds[0] if optional and len(kinds) == 1 else field.annotation
    if get_origin(kind) is Literal:
        text = _choices(get_args(kind))
    else:
        annotated = kind if not field.metadata else _annotated(kind, field)
        text = _of_schema(TypeAdapter(annotated).json_schema())
    return f"{text}, or null" if optional else text


def _annotated(kind: Any, field: FieldInfo) -> Any:
    return Annotated[(kind, *field.metadata)]


def _choices(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _of_schema(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "")
    if kind == "array":
        items = schema.get("items") or schema.get("prefixItems", [{}])[0]
        return f"list of {_of_schema(items)}"
    text = _TYPES.get(kind, "any")
    limits = [
        form.format(f"{schema[key]:,}")
        for key, form in _LIMITS
        if key in schema and schema[key] != WHOLE
    ]
    return ", ".join([text, *limits])
