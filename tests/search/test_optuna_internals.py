"""What is private in Optuna is used in one file, and Optuna stays below its next major version."""

import ast
import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import optuna
import pytest
from packaging.requirements import Requirement

import mlxts

PACKAGE = Path(mlxts.__file__).parent
OWNER = PACKAGE / "search" / "optuna_internals.py"


def _private_names() -> set[str]:
    """Private methods and attributes that Optuna's own source reads of anything."""
    names: set[str] = set()
    for path in Path(optuna.__file__).parent.rglob("*.py"):
        names |= set(re.findall(r"\.(_[a-z]\w*)", path.read_text(encoding="utf-8")))
    return names


NAMES = _private_names()
USERS = sorted(p for p in PACKAGE.rglob("*.py") if "optuna" in p.read_text(encoding="utf-8"))


def _private_uses(path: Path) -> list[str]:
    """`line: name` of what a file takes from Optuna that is private there.

    That is: a module or name that is imported, an attribute of anything but `self`, a name in a
    string, and a method of a class that stands on one of Optuna's.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported: dict[str, Any] = {}
    uses: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("optuna"):
            names = [alias.name for alias in node.names]
            module = importlib.import_module(node.module or "")
            imported |= {name: getattr(module, name, None) for name in names}
            if any(part.startswith("_") for part in [*(node.module or "").split("."), *names]):
                uses.append(f"{node.lineno}: {node.module}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in NAMES:
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                uses.append(f"{node.lineno}: {node.attr}")
        elif isinstance(node, ast.Constant) and node.value in NAMES:
            uses.append(f"{node.lineno}: {node.value}")
        elif isinstance(node, ast.ClassDef):
            for base in (imported.get(ast.unparse(base)) for base in node.bases):
                methods = (item.name for item in node.body if isinstance(item, ast.FunctionDef))
                private = (name for name in methods if re.match("_[a-z]", name))
                uses += [f"{node.lineno}: {name}" for name in private if hasattr(base, name)]
    return uses


@pytest.mark.parametrize("path", USERS, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_what_is_private_in_optuna_is_used_in_one_file(path: Path) -> None:
    uses = _private_uses(path)
    assert bool(uses) == (path == OWNER), uses


def test_optuna_stays_below_its_next_major_version() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    (optuna_,) = [r for r in map(Requirement, project["dependencies"]) if r.name == "optuna"]
    major = int(optuna.__version__.split(".")[0])
    assert optuna.__version__ in optuna_.specifier
    assert f"{major + 1}.0.0" not in optuna_.specifier
