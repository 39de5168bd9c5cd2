"""`mlxts workspace`, `docs` and `check`: what they say, write, and refuse in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mlxts.cli.app import app
from mlxts.errors import WorkspaceError
from tests.workspace import projects


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return projects.with_documents(projects.make(tmp_path / "project", monkeypatch))


def _said(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.stdout


def _json(*arguments: str, status: int = 0) -> dict[str, Any]:
    return json.loads(_said(*arguments, "--json", status=status))


def test_a_day_of_a_workstream(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "docs")  # paths are those of the working folder
    said = _said("workspace", "claim", "ws1", "thermal.md", "--name", "heat", "--resource", "GPU")
    assert said == "ws1 (heat) is active and holds docs/thermal.md (PRIMARY), GPU\n"
    waits = ("--blocked-by", "ws2: a search")
    said = _said("workspace", "handoff", "ws1", "--summary", "it is warm", "--next", "cool", *waits)
    assert said.splitlines()[0] == ".claude/context/workstreams/ws1_context.md"
    assert _said("workspace", "decide", "No fan", "--why", "noise").startswith("D-0001: No fan")
    phases = _json("workspace", "phase", "6A", "--status", "active")["phases"]
    assert {p["id"]: p["status"] for p in phases}["6A"] == "active"
    status = _json("workspace", "status")
    assert status["workstreams"][0]["blocked_by"] == [{"by": "ws2", "why": "a search"}]
    assert status["changed_by_another"] == []
    assert "it is warm" in _said("workspace", "status")
    told = _said("workspace", "restore", "the", "heat", "please")
    assert "=== 3. Which one\n\nDetected ws1 (heat) by heat." in told
    assert "1. cool" in told.split("=== 8. Priorities")[1]
    sections = _json("workspace", "restore", "--workstream", "ws3")["sections"]
    assert sections[4]["title"] == "ws3 in detail"
    said = _said("workspace", "release", "ws1")
    assert said == "ws1 (heat) is idle and holds nothing\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("handoff", "ws1", "--summary", "x", "--blocked-by", "them"), "write it as 'ws2: why'"),
        (("handoff", "ws1", "--summary", "x", "--blocked-by", "ws1: x"), "cannot wait for itself"),
        (("phase", "9", "--status", "done"), "no phase 9, only 1, 6A"),
        (("release", "ws1", "README.md"), "ws1 holds no README.md, only nothing"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    root: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(WorkspaceError) as error:
        _said("workspace", *arguments)
    assert message in str(error.value)


def test_outside_of_a_project_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    for arguments in (("workspace", "status"), ("check", "docs"), ("docs", "render")):
        with pytest.raises(WorkspaceError, match="go to the project's folder"):
            _said(*arguments)
    assert _json("check")["problems"] is None
    assert len(_said("workspace", "init").splitlines()) == 6
    assert _json("check", "docs")["ok"] is True
    with pytest.raises(WorkspaceError, match="stay as they are"):
        _said("workspace", "init")


def test_check_and_verify_name_a_stale_block_and_render_mends_it(root: Path) -> None:
    readme = root / "README.md"
    assert "no problem" in _said("check")
    readme.write_text(readme.read_text().replace("2,000,000", "3,000,000"))
    [line, *_] = _said("check", "docs", status=2).splitlines()
    assert line.startswith("README.md:")
    assert "block budgets is stale; run `mlxts docs render`" in line
    assert line in _said("check", status=2)
    assert _json("check", status=2)["ok"] is False
    assert _json("check", "docs", status=2)["problems"][0]["path"] == "README.md"
    assert _json("docs", "render") == {"schema": 2, "changed": ["README.md"]}
    assert _json("check", "docs") == {"schema": 2, "ok": True, "problems": []}
    assert _json("check")["ok"] is True
