"""What a first folder holds: only what can be typed in it, and nothing of the user's is lost."""

import ast
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlxts import files, starters
from mlxts.cli.app import app, command_tree
from mlxts.workspace import commands, markdown

PACKAGE = Path(starters.__file__).parent
README = files.RESOURCES / "README.md"
# Made for the repository's own use, and commands that write its documents.
OF_THE_REPOSITORY = ("workspace/", "cli/cells.py", "cli/controls.py", "cli/features.py")


def _init(folder: Path) -> dict[str, list[str]]:
    done = CliRunner().invoke(app, ["init", str(folder), "--json"], catch_exceptions=False)
    return json.loads(done.stdout)


def test_a_first_folder_holds_every_starter(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    result = _init(folder)
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == set(result["written"]) == set(map(str, starters.starters()))
    assert {"README.md", "configs/demo.yaml", "configs/sweeps/demo_data.yaml"} <= there
    for path in there:
        assert (folder / path).read_bytes() == (files.RESOURCES / path).read_bytes()


def test_what_is_there_stays_and_is_named_and_what_is_missing_comes_back(tmp_path: Path) -> None:
    _init(tmp_path)
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "configs" / "demo.yaml").unlink()
    result = _init(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    assert result["written"] == ["configs/demo.yaml"]
    assert "README.md" in result["left"]
    said = CliRunner().invoke(app, ["init", str(tmp_path)]).output
    assert "no file written" in said
    assert "left as it was: README.md, configs/demo.yaml, " in said


def test_the_demo_runs_its_commands_in_order_and_stops_at_the_first_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    first, then = f"init {tmp_path / 'a'}", f"init {tmp_path / 'b'}"
    monkeypatch.setattr(starters, "DEMO", (first, "check data docs --json", then))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["demo"])
    assert done.exit_code != 0
    assert [line for line in done.output.splitlines() if line.startswith("$ ")] == [
        f"$ mlxts {first}", "$ mlxts check data docs --json"
    ]  # fmt: skip
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_what_the_demo_runs_can_be_typed_in_a_first_folder(tmp_path: Path) -> None:
    _init(tmp_path)
    tree = command_tree()
    for line in (*starters.DEMO, *starters.DEMO_DATA):
        words = ["mlxts", *line.split()]
        found = commands.wrong(words, project=tmp_path, tree=tree, targets=frozenset(), whole=True)
        assert found is None, line


def test_the_text_has_only_commands_of_a_first_folder_and_no_link(tmp_path: Path) -> None:
    """A package index shows it too, where there is nothing beside it."""
    _init(tmp_path)
    text = README.read_text(encoding="utf-8")
    assert "make " not in "".join(re.findall(r"`[^`]*`|```.*?```", text, re.DOTALL))
    assert markdown.parse(text).links == ()
    named = re.findall(r"configs/[\w./-]+\.yaml", text)
    assert named
    assert {path for path in named if not (tmp_path / path).exists()} == set()


def _texts(path: Path) -> list[str]:
    """The strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent
    ]


def test_what_a_message_names_is_there_without_the_repository() -> None:
    paths = [str(path) for path in starters.starters()]
    absent = []
    for module in sorted(PACKAGE.rglob("*.py")):
        name = module.relative_to(PACKAGE).as_posix()
        if name.startswith(OF_THE_REPOSITORY):
            continue
        for text in _texts(module):
            absent += [(name, text) for part in ("docs/", "benchmarks/") if part in text]
            named = re.findall(r"configs/[\w./-]+\.yaml", text)
            absent += [(name, path) for path in named if path not in paths]
            if "`make " in text and name != "platform/wheels.py":  # where there is a Makefile
                absent.append((name, text))
    assert absent == []
