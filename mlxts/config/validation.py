"""Sections of a configuration: strict types, no unknown keys, and one line for what is wrong."""

import json
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

WHOLE = 2**31  # whole numbers stay below it: MLX counts in int32

Positive = Annotated[int, Field(gt=0, lt=WHOLE)]
NotNegative = Annotated[int, Field(ge=0, lt=WHOLE)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Name = Annotated[str, Field(max_length=100)]

_CLOSE = 0.75  # similarity of a key, 0 to 1, from which on it may be a misspelling of another
_SHOWN = 60  # characters of a value that an error repeats
_EXPECTED: Mapping[str, str] = MappingProxyType(
    {
        "bool_type": "should be true or false",
        "dict_type": "should be a section of keys and values",
        "float_type": "should be a number",
        "int_type": "should be a whole number, written without quotes or a decimal point",
        "model_type": "should be a section of keys and values",
        "string_type": "should be text; put it in quotes",
        "tuple_type": "should be a list, e.g. [a, b]",
    }
)


class ConfigSection(BaseModel):
    """A part of a configuration: frozen, unknown keys are errors, and no type becomes another.

    A whole number may be given for a float. A tuple is declared with `Field(strict=False)`, since
    YAML has lists; what it holds is strict all the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


def keys(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key of a section and of those in it, by its dotted name, in their order."""
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def closest(key: str, section: type[BaseModel]) -> str | None:
    """The key of `section` that `key` is most like, as a whole or in its last part."""
    names = {name for name, _ in keys(section)}
    names |= {name.rpartition(".")[0] for name in names} - {""}

    def similarity(name: str) -> float:
        pairs = (key, name), (key.rpartition(".")[2], name.rpartition(".")[2])
        return max(SequenceMatcher(None, *pair).ratio() for pair in pairs)

    best = max(sorted(names), key=similarity, default=None)
    return best if best is not None and similarity(best) >= _CLOSE else None


def first_problem(error: ValidationError, section: type[BaseModel]) -> str:
    """One line that names the offending key, and the key of `section` that was meant."""
    problems = error.errors()  # a required key that is misspelt makes two of them
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        meant = closest(where, section)
        remedy = f"did you mean {meant}?" if meant else "`mlxts config describe` lists the keys"
        return one_line(f"unknown key {where or '(empty)'}; {remedy}")
    message = _EXPECTED.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    prefix = f"{where}: " if where else ""
    given = problem.get("input")
    show_value = where and (given is None or isinstance(given, str | int | float | bool))
    return one_line(f"{prefix}{message}{_got(given) if show_value else ''}")


def _got(given: str | float | bool | None) -> str:
    text = json.dumps(given, ensure_ascii=False)
    return f" (got {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'})"


def one_line(text: str) -> str:
    """One line that can be printed: a command line may hold bytes that are no UTF-8."""
    return " ".join(text.split()).encode(errors="backslashreplace").decode()
