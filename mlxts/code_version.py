"""Which code made something: a digest of the files that its numbers depend on, found by imports.

A run is its configuration, the bytes of its data and the code that decides its numbers. That code
is whatever `dataset/build.py` and the training loop import, directly or through one another; cached
features depend on whatever the module that computes them imports. No list of folders is kept by
hand: a release lag that moves makes other runs, a comment in a module that nothing numeric imports
(the report, the log, the console) does not.
"""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

from mlxts.files import canonical_hash, digest

PACKAGE = Path(__file__).parent
# Where the numbers of a run begin: its samples, the model's shape and initial weights, its steps.
RUN = (
    "mlxts.dataset.build",
    "mlxts.model.parameter_budget",
    "mlxts.model.initialisation",
    "mlxts.training.inputs",
    "mlxts.training.loop",
)
# Where the numbers of cached features begin.
FEATURES = ("mlxts.features.cache",)


@lru_cache(maxsize=8)
def of(modules: tuple[str, ...], package: Path = PACKAGE) -> str:
    """SHA-256 of the source files that some modules of this package depend on.

    Args:
        modules: dotted names; what they import, anywhere in them, counts with them.
        package: the folder of the package, where it is not the one that runs.
    """
    return canonical_hash(
        {str(path.relative_to(package)): digest(path) for path in files(modules, package)}
    )


def files(modules: tuple[str, ...], package: Path = PACKAGE) -> list[Path]:
    """The files behind `of`, sorted: modules, and the data files in their folders."""
    module_paths = {_name(path, package): path for path in package.rglob("*.py")}
    del module_paths[package.name]  # what it names is loaded on demand and decides nothing
    loaded_modules: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in loaded_modules and name in module_paths:
            loaded_modules.add(name)
            waiting += [*_imported(module_paths[name].read_bytes()), *_packages(name)]
    sources = {module_paths[name] for name in loaded_modules}
    data_files = {
        path
        for folder in {source.parent for source in sources}
        for path in folder.iterdir()
        if path.is_file()
        and path.suffix not in (".py", ".pyc")
        and not path.name.startswith(".")  # a Mac's Finder leaves .DS_Store
    }
    return sorted(sources | data_files)


def _name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _packages(name: str) -> Iterator[str]:
    """The packages around a module, whose `__init__` runs with it, but for the root's."""
    while name.count(".") > 1:
        name = name.rpartition(".")[0]
        yield name


@cache
def _imported(source: bytes) -> tuple[str, ...]:
    """Dotted names that a file's text imports, of modules and of what may be a name within one."""
    names: list[str] = []
    for node in _walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that is run; code under `if TYPE_CHECKING` never is."""
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.If) and isinstance(child.test, ast.Name)
        if not (named and child.test.id == "TYPE_CHECKING"):
            yield child
            yield from _walk(child)


def git_commit() -> str | None:
    """The commit of the checkout that this package lies in, for people.

    None outside of one, and where there is no git.
    """
    command = ["git", "-C", str(PACKAGE), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
