"""One place knows what lies in a run folder."""

import ast
from pathlib import Path

import pytest

import mlxts
from mlxts.runs import layout

PACKAGE = Path(mlxts.__file__).parent
NAMES = {*layout.ARTIFACTS, layout.OFFSET}
FILES = sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "runs" / "layout.py"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_file_spells_the_name_of_a_file_in_it(path: Path) -> None:
    texts = [
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert [text for text in texts if text.rpartition("/")[2] in NAMES] == []
