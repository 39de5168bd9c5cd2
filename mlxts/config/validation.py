"""Sections of a configuration: strict types, no unknown keys, and one line for what is wrong."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

WHOLE = 2**31  # whole numbers stay below it: MLX counts in int32

Positive = Annotated[int, Field(gt=0, lt=WHOLE)]
NotNegative = Annotated[int, Field(ge=0, lt=WHOLE)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Name = Annotated[str, Field(max_length=100)]

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


def first_problem(error: ValidationError) -> str:
    """One line that names the offending key."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return one_line(f"unknown key {where or '(empty)'}; check its spelling")
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
