"""The house: imports point one way, and no room grows past what a head can hold."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mlxts"
STAIRCASE = [
    "protocol", "errors", "files", "code_version", "universe", "yamltext", "config",
    "kernels", "gemm", "pages", "memory",
    "backend", "data", "features", "targets", "splits", "dataset", "model", "training", "thermal",
    "console", "tracking", "evaluation", "experiment", "interop", "walk_forward",
    "search", "scaling", "report", "quickstart", "workspace", "cli", "__main__",
]  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "mlxts":
            rooms |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlxts."):
            rooms.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("mlxts.")}
    return rooms


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return
    room = _room(path)
    below = {other for other in _imports(path) if STAIRCASE.index(other) > STAIRCASE.index(room)}
    assert below == set()


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_room_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(p) for p in FILES if not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []
