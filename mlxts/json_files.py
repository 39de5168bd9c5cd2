"""Our own JSON and JSON-lines files, read: the one place that checks what they hold.

A file that is gone, torn, not UTF-8 or of another shape than its reader expects is an error of one
line that names the file, what is wrong with it, and the way out.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from mlxts import files
from mlxts.errors import MlxtsError

T = TypeVar("T")


class Shape(BaseModel):
    """The keys and types of a file. Other keys are allowed; a field with a
    default may be missing."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


def read(
    path: Path,
    shape: type[Shape],
    *,
    error: type[MlxtsError],
    remedy: str,
    needs: Sequence[str] = (),
    upgrade: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The object in a JSON file, as it was written: keys that the shape does not name included.

    Args:
        error: the kind that is raised; remedy: the advice in its message.
        needs: dotted keys that must be there although the shape does not require them; a part `*`
            matches every key.
        upgrade: makes what an earlier version wrote into what this one does; it raises MlxtsError
            where it cannot.

    Raises:
        MlxtsError: of the kind `error`: no such file, no JSON, or JSON of another shape.
    """
    data = _bytes(path, error, remedy)
    try:
        values = _checked(data, shape, upgrade)
        _require(values, needs)
    except (ValueError, MlxtsError) as reason:
        raise error(f"{path} is damaged: {_first_problem(reason)}; {remedy}") from reason
    return values


def read_lines(
    path: Path,
    shape: type[Shape],
    *,
    error: type[MlxtsError],
    remedy: str,
    torn_end: bool = False,
) -> list[dict[str, Any]]:
    """The objects in a JSON-lines file; none where there is no file.

    Args:
        shape, error, remedy: see `read`.
        torn_end: leave out a last line that was cut, of a process killed while it wrote.

    Raises:
        MlxtsError: of the kind `error`, naming the first line that is not of that shape.
    """
    if not path.exists():
        return []
    *lines, end = _bytes(path, error, remedy).split(b"\n")
    records = []
    for number, line in enumerate([*lines, end] if end else lines, 1):
        try:
            records.append(_checked(line, shape))
        except ValueError as reason:
            if torn_end and number > len(lines) and line.startswith(b"{"):
                break
            problem = f"line {number}: {_first_problem(reason)}"
            raise error(f"{path} is damaged: {problem}; {remedy}") from reason
    return records


def load(path: Path, kind: type[T], *, error: type[MlxtsError], remedy: str) -> T:
    """The dataclass of which `files.write_json` wrote the fields.

    Raises:
        MlxtsError: of the kind `error`: see `read`, or a key that the dataclass does not have.
    """
    data = _bytes(path, error, remedy)
    try:
        data.decode("utf-8")
        _require_known_keys(from_json(data), kind)
        return _adapter(kind).validate_json(data, strict=True)
    except ValueError as reason:
        raise error(f"{path} is damaged: {_first_problem(reason)}; {remedy}") from reason


def build(value: Any, kind: type[T], *, where: str, error: type[MlxtsError], remedy: str) -> T:
    """A dataclass from the value of a key of a file that has been read.

    Args:
        where: the file, and the key in it.

    Raises:
        MlxtsError: of the kind `error`: another type, a key too many or one missing.
    """
    try:
        _require_known_keys(value, kind)
        written = to_json(value, inf_nan_mode="constants")
        return _adapter(kind).validate_json(written, strict=True)
    except ValueError as reason:
        raise error(f"{where} is damaged: {_first_problem(reason)}; {remedy}") from reason


def _bytes(path: Path, error: type[MlxtsError], remedy: str) -> bytes:
    try:
        return files.read_bytes(path)
    except OSError as reason:
        gone = isinstance(reason, FileNotFoundError)
        problem = "it is not there" if gone else files.reason(reason)
        raise error(f"{path} cannot be read: {problem}; {remedy}") from reason


def _checked(
    data: bytes,
    shape: type[Shape],
    upgrade: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Raises ValueError: not UTF-8, no JSON, or of another shape; MlxtsError: see `upgrade`."""
    data.decode("utf-8")  # a plainer error than the parser's
    if upgrade and isinstance(values := from_json(data), dict):
        current = upgrade(values)
        if current != values:
            data = to_json(current, inf_nan_mode="constants")
        shape.model_validate_json(data)
        return current
    shape.model_validate_json(data)
    return from_json(data)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _require_known_keys(value: Any, kind: Any) -> None:
    """A key that a dataclass does not have may decide what another version computes."""
    if isinstance(value, dict):
        unknown = sorted(set(value) - {field.name for field in fields(kind)})
        if unknown:
            raise ValueError(f"{unknown[0]} is no key that this version knows")


def _require(value: Any, keys: Sequence[str]) -> None:
    for key in keys:
        if _lacks(value, key.split(".")):
            raise ValueError(f"{key} is missing")


def _lacks(value: Any, parts: Sequence[str]) -> bool:
    if not parts:
        return False
    if not isinstance(value, dict):
        return True
    first, rest = parts[0], parts[1:]
    if first == "*":
        return any(_lacks(item, rest) for item in value.values())
    return first not in value or _lacks(value[first], rest)


def _first_problem(reason: Exception) -> str:
    """One line."""
    if isinstance(reason, UnicodeDecodeError):
        return f"byte {reason.start + 1} is not UTF-8"
    if not isinstance(reason, ValidationError):
        return " ".join(str(reason).split())
    first = reason.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"{where} is missing"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}" if where else message
