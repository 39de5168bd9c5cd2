"""Help pages, and sentences at a terminal, are there to be read to the end."""

import io
from typing import Any

import pytest
from typer.testing import CliRunner

from mlxts.cli import output
from mlxts.cli.app import app, command_tree


def _groups(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = getattr(command, "commands", None) or {}
    deeper = [found for name, one in below.items() for found in _groups(one, (*path, name))]
    return ([path] if below else []) + deeper


@pytest.mark.parametrize("group", _groups(command_tree()), ids=" ".join)
def test_no_help_page_cuts_a_sentence(group: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*group, "--help"], env={"COLUMNS": "80"}).output
    _, listed = shown.split("Commands:\n")
    assert listed.strip()
    assert "..." not in listed


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


LONG = "no data for SPY here; run `mlxts data download SPY` or give a file, interval [-0.1, +0.2]"


def test_a_terminal_gets_whole_words_commands_and_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    lines = output.fitted(LONG, Terminal()).splitlines()
    assert " ".join(lines) == LONG
    assert any("`mlxts data download SPY`" in line for line in lines)
    assert any(line.endswith("[-0.1, +0.2]") for line in lines)
    assert max(map(len, lines)) <= 30


def test_indentation_and_paths_survive_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    path = "outputs/runs/2M-daily-threshold_1pct-h1-s0-5235175d27"
    lines = output.fitted(f"first\n  see the folder {path}", Terminal()).splitlines()
    assert lines == ["first", "  see the folder", f"  {path}"]


def test_what_goes_into_a_file_or_a_pipe_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert output.fitted(LONG, io.StringIO()) == LONG
