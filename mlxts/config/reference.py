"""Every key of a configuration: its type, its default, and what it means."""

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from mlxts.config.experiment import ExperimentConfig, strict_values
from mlxts.config.validation import WHOLE, closest, keys
from mlxts.errors import ConfigError

_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", dict: "mapping"}
_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def describe(key: str | None = None) -> list[dict[str, Any]]:
    """What is known of a key, of those of a section, or of all.

    Returns:
        For each: key; type, with its limits; default, as YAML has it, None where the key is
        required; strict, the values allowed in strict mode at daily bars, or None; description.

    Raises:
        ConfigError: no key and no section of that name.
    """
    strict = strict_values("daily")
    described = [
        {
            "key": name,
            "type": _type(field.annotation, field.metadata),
            "default": None
            if field.is_required()
            else _yaml(field.get_default(call_default_factory=True)),
            "strict": ", ".join(map(_yaml, strict[name])) if name in strict else None,
            "description": field.description,
        }
        for name, field in keys(ExperimentConfig)
        if key is None or f"{name}.".startswith(f"{key}.")
    ]
    if not described:
        meant = closest(str(key), ExperimentConfig)
        hint = f"did you mean {meant}?" if meant else "`mlxts config describe` lists them"
        raise ConfigError(f"no key {key}; {hint}")
    return described


def _yaml(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case tuple():
            return f"[{', '.join(map(_yaml, value))}]"
    return str(value)


def _type(annotation: Any, metadata: Any = ()) -> str:
    """`whole number > 0, or null`."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0], _limits_of(inner[1:]))
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin in (Union, UnionType):
        return ", or ".join("null" if one is NoneType else _type(one) for one in inner)
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    return " ".join([_NAMES[origin or annotation], *_limits(metadata)])


def _limits_of(arguments: tuple[Any, ...]) -> list[Any]:
    return [limit for argument in arguments for limit in getattr(argument, "metadata", ())]


def _limits(metadata: Any) -> list[str]:
    """The limits that a person has to know; those of the machine's integers are left out."""
    named = [
        (sign, getattr(limit, name))
        for limit in metadata
        for name, sign in _BOUNDS.items()
        if getattr(limit, name, None) is not None
    ]
    texts = [f"{sign} {bound:g}" for sign, bound in named if bound < WHOLE]
    return [" and ".join(texts)] if texts else []
