"""One place knows what lies in a run folder."""

import ast
from pathlib import Path

import mlxts
from mlxts.runs import layout

PACKAGE = Path(mlxts.__file__).parent
NAMES = {*layout.ARTIFACTS, layout.OFFSET}
FILES = sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "runs" / "layout.py"})


def _spelled(path: Path) -> list[str]:
    source = path.read_text(encoding="utf-8")
    if not any(name in source for name in NAMES):
        return []
    texts = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return [text for text in texts if text.rpartition("/")[2] in NAMES]


def test_no_other_file_spells_the_name_of_a_file_in_it() -> None:
    spelled = {str(path.relative_to(PACKAGE)): _spelled(path) for path in FILES}
    assert {path: texts for path, texts in spelled.items() if texts} == {}
