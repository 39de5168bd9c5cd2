"""references.json is read as it was written, by this version and by earlier ones."""

import json
from pathlib import Path

from mlxts.files import SCHEMA
from mlxts.runs import references
from mlxts.runs.references import Reference

BY_SYMBOL = {
    "SPY": Reference("linear", {"har": 0.6, "linear": 0.5}),
    "AAPL": Reference(None, {}, "too few samples"),
}


def test_the_file_carries_the_schema_and_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "references.json"
    references.write(path, BY_SYMBOL)
    assert json.loads(path.read_text())["schema"] == SCHEMA
    assert references.read(path) == BY_SYMBOL


def test_a_file_of_an_earlier_version_has_no_schema(tmp_path: Path) -> None:
    path = tmp_path / "references.json"
    references.write(path, BY_SYMBOL)
    values = json.loads(path.read_text())
    del values["schema"]
    path.write_text(json.dumps(values))
    assert references.read(path) == BY_SYMBOL
