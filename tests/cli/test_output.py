"""One result, as JSON or as a screen."""

import json
import math
from pathlib import Path

import pytest

from mlxts.cli import output
from mlxts.tables import Table

RESULT = {"loss": math.nan, "runs": [{"name": "a"}], "path": Path("x/y")}
SCREEN = [
    Table("Runs", ("name",), RESULT["runs"]),
    "one sentence",
    output.Note("how to read it"),
    output.Verbatim("- key:   value"),
    Path("x/y"),
]


def test_json_is_one_object_with_null_for_what_is_no_number(capsys: pytest.CaptureFixture) -> None:
    output.render(RESULT, True, SCREEN)
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "schema": 2,
        "loss": None,
        "runs": [{"name": "a"}],
        "path": "x/y",
    }
    assert said.err == ""


def test_a_screen_shows_its_parts_in_order_and_notes_beside_it(
    capsys: pytest.CaptureFixture,
) -> None:
    output.render(RESULT, False, iter(SCREEN))
    said = capsys.readouterr()
    assert "name" in said.out
    assert said.out.splitlines()[-3:] == ["one sentence", "- key:   value", "x/y"]
    assert said.err == "how to read it\n"


def test_a_single_sentence_is_a_screen(capsys: pytest.CaptureFixture) -> None:
    output.render({}, False, "done")
    assert capsys.readouterr().out == "done\n"


def test_a_screen_is_not_made_where_json_is_asked_for(capsys: pytest.CaptureFixture) -> None:
    def parts():
        raise AssertionError("looked at")
        yield ""

    output.render({}, True, parts())
    assert capsys.readouterr().out == '{"schema": 2}\n'


def test_what_must_keep_its_lines_is_not_broken_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    text = "a line that is longer than the terminal is wide"
    output.show(output.Verbatim(text))
    assert capsys.readouterr().out == text + "\n"
    output.show(text)
    assert len(capsys.readouterr().out.splitlines()) > 2
