"""The house: imports point one way, and no room grows past what a head can hold."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlxts"
STAIRCASE = [
    "interrupt", "protocol", "errors", "files", "formats", "column_widths", "tables", "json_files",
    "code_version", "locks", "memo", "losses", "split_borders", "tasks", "data.sources", "config",
    "transfer", "platform", "data", "runs", "simulation", "features", "dataset", "baselines",
    "model", "training", "thermal", "console", "tracking", "evaluation", "predict", "experiment",
    "walk_forward", "scored_rows", "search", "scaling", "report", "api", "interop", "starters",
    "quickstart", "workspace", "cli", "testing", "__main__",
]  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _room(module: str) -> str:
    """The room of a dotted name, without `mlxts.`: the longest of `STAIRCASE` that it lies in."""
    parts = module.split(".")
    rooms = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((room for room in rooms if room in STAIRCASE), parts[0])


def _name(path: Path) -> str:
    """A module's dotted name, without `mlxts.`; its package's for an `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _imports(path: Path) -> set[str]:
    """Dotted names, without `mlxts.`, that a file imports anywhere: modules, or names within."""
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mlxts":
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.startswith("mlxts.")}
    return {name.removeprefix("mlxts.") for name in found}


def test_a_room_imports_only_rooms_above_it() -> None:
    below = {}
    for path in FILES[1:]:  # all but the package's own
        own = STAIRCASE.index(_room(_name(path)))
        below[_relative(path)] = {
            name for name in _imports(path) if STAIRCASE.index(_room(name)) > own
        }
    assert {path: names for path, names in below.items() if names} == {}


def test_no_module_imports_itself_through_others() -> None:
    """Nor through what a function imports when it is called, or what is there for types alone."""
    modules = {_name(path): path for path in FILES}
    graph = {}
    for name, path in modules.items():
        imported = _imports(path)
        graph[name] = {one if one in modules else one.rpartition(".")[0] for one in imported}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AssertionError(" <- ".join(error.args[1])) from None


def _modules(path: Path) -> set[str]:
    """Every module of the package that a file imports, at its top or within a function."""
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mlxts":
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("mlxts.")}
    return names & set(MODULES)


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in FILES
}


@pytest.mark.parametrize("room", ["scaling", "report"])
def test_what_reads_run_folders_needs_neither_data_nor_anything_that_is_fitted(room: str) -> None:
    """All that is imported by what a room imports, and so on."""
    reached = {name for name in MODULES if name.startswith(f"mlxts.{room}.")}
    waiting = list(reached)
    while waiting:
        new = _modules(MODULES[waiting.pop()]) - reached - {"mlxts"}
        reached |= new
        waiting += new
    fitting = ("dataset", "baselines", "training", "predict", "experiment", "data.panel")
    found = {name for name in fitting for n in reached if f"{n}.".startswith(f"mlxts.{name}.")}
    assert found == set()


def test_no_room_is_longer_than_400_lines() -> None:
    lengths = {_relative(p): len(p.read_text(encoding="utf-8").splitlines()) for p in FILES}
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(p) for p in FILES if not ast.get_docstring(_tree(p))]
    assert silent == []


def _crossings(path: Path) -> list[str]:
    """Where a module may bring a value of MLX to the host by itself: `line: code`.

    Whoever imports MLX, or the function that flattens a model's weights, can hold such values. To
    evaluate, to hand to NumPy anything but numbers that are written down there, and to ask an
    array for its elements are the ways; `float` and its like are told by the code around them.
    """
    tree = _tree(path)
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


def test_values_come_to_the_host_in_one_place_alone() -> None:
    crossings = {_relative(path): _crossings(path) for path in (*FILES, *BENCHMARKS)}
    found = {path: calls for path, calls in crossings.items() if calls}
    assert set(found) == {"mlxts/transfer.py"}, found
