"""Help pages, and sentences at a terminal, are there to be read to the end."""

import io
import os
import pty
import re
import subprocess
import sys
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


def _page(**environment: str) -> str:
    """What a terminal is sent; typer's runner would hold every page at 80 characters."""
    primary, secondary = pty.openpty()
    program = [sys.executable, "-m", "mlxts", "scaling", "verdict", "--help"]
    named = {"TERM": "xterm", "COLUMNS": "80", **environment}
    subprocess.run(program, stdout=secondary, env=os.environ | named, check=True)
    os.close(secondary)
    text = os.read(primary, 100_000).decode()
    os.close(primary)
    return text


def test_a_help_page_uses_the_width_and_the_colour_there_is() -> None:
    plain, coloured = _page(NO_COLOR="1"), _page(NO_COLOR="")
    assert max(map(len, plain.splitlines())) <= 80
    assert 100 < max(map(len, _page(NO_COLOR="1", COLUMNS="140").splitlines())) <= 140
    assert "\x1b" not in plain
    assert "\x1b[36m--replicate" in coloured
    # Nothing is moved by what cannot be seen.
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


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
