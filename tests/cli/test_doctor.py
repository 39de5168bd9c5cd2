"""`mlxts doctor` names what is wrong with MLX on this machine."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlxts.cli.app import app
from mlxts.platform import device, wheels


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    monkeypatch.setattr(device, "matmul_gflops", lambda: 1.0)


def _doctor(*arguments: str) -> str:
    return CliRunner().invoke(app, ["doctor", *arguments], catch_exceptions=False).stdout


def test_a_problem_of_the_installation_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(_doctor("--json"))["problem"] is None
    assert "│ problem" not in _doctor()
    monkeypatch.setattr(wheels, "problem", lambda: "two wheels")
    assert json.loads(_doctor("--json"))["problem"] == "two wheels"
    assert "│ problem             │ two wheels" in _doctor()


def test_the_wheel_that_computes_is_named() -> None:
    assert json.loads(_doctor("--json"))["mlx_library"] == wheels.owner()
