"""The rooms of the package as Markdown: in the order of the test, with their docstrings."""

import ast
from pathlib import Path

from mlxts.code_version import PACKAGE

_ORDER = PACKAGE.parent / "tests" / "test_architecture.py"


def rooms() -> str:
    """A list of the rooms, each with the first sentence of its docstring, the lowest first."""
    return "\n".join(
        f"- `{_room_name(path)}`: {_purpose(path)}" for path in map(_path, _staircase())
    )


def _staircase() -> list[str]:
    """`STAIRCASE` of the test that keeps imports one-way."""
    for node in ast.parse(_ORDER.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STAIRCASE":
            return ast.literal_eval(node.value)
    raise LookupError(f"{_ORDER} has no STAIRCASE")


def _path(room: str) -> Path:
    folder = PACKAGE.joinpath(*room.split("."))
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _room_name(path: Path) -> str:
    folder = path.name == "__init__.py"
    room_path = (path.parent if folder else path).relative_to(PACKAGE).as_posix()
    return f"{room_path}/" if folder else room_path


def _purpose(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].split(". ")[0].replace("\n", " ").rstrip(".") + "."
