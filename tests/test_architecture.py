"""The house: imports point one way, and no room grows past what a head can hold."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlxts"
STAIRCASE = [
    "interrupt", "protocol", "errors", "files", "formats", "tables", "json_files", "code_version",
    "locks", "run_files", "config", "transfer", "platform", "data", "simulation", "features",
    "dataset", "baselines", "model", "training", "thermal", "console", "tracking", "evaluation",
    "experiment", "interop", "walk_forward", "search", "scaling", "report", "quickstart",
    "workspace", "cli", "__main__",
]  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))


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


def _crossings(path: Path) -> list[str]:
    """Where a module may bring a value of MLX to the host by itself: `line: code`.

    Whoever imports MLX, or the function that flattens a model's weights, can hold such values. To
    evaluate, to hand to NumPy anything but numbers that are written down there, and to ask an
    array for its elements are the ways; `float` and its like are told by the code around them.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if not names & {"mlx.core", "mlx.nn", "flat_arrays"}:
        return []
    found = []
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        owner, name = ast.unparse(call.func.value), call.func.attr
        literal = bool(call.args) and isinstance(call.args[0], ast.List | ast.Tuple | ast.Constant)
        by_mlx = owner == "mx" and name in ("eval", "async_eval", "synchronize")
        by_numpy = owner == "np" and name in (
            "array",
            "asarray",
            "asanyarray",
            "copy",
            "from_dlpack",
        )
        if by_mlx or name in ("item", "tolist") or (by_numpy and not literal):
            found.append(f"{call.lineno}: {ast.unparse(call)}")
    return found


@pytest.mark.parametrize("path", [*FILES, *BENCHMARKS], ids=lambda p: str(p.relative_to(ROOT)))
def test_values_come_to_the_host_in_one_place_alone(path: Path) -> None:
    crossings = _crossings(path)
    assert bool(crossings) == (path == PACKAGE / "transfer.py"), crossings
