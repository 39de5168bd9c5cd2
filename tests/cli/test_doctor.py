"""`mlxts doctor` names what is wrong with MLX on this machine."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlxts.cli.app import app
from mlxts.cli.doctor import checks
from mlxts.platform import device, wheels


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    monkeypatch.setattr(device, "matmul_gflops", lambda: 1.0)


def _doctor(*arguments: str) -> str:
    return CliRunner().invoke(app, ["doctor", *arguments], catch_exceptions=False).stdout


def test_a_problem_of_the_installation_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(_doctor("--json"))["problem"] is None
    assert "✗" not in _doctor()
    monkeypatch.setattr(wheels, "problem", lambda: "two wheels: run `this`")
    assert json.loads(_doctor("--json"))["problem"] == "two wheels: run `this`"
    lines = [" ".join(line.split()) for line in _doctor().splitlines()]
    assert lines[lines.index("✗ MLX two wheels") + 1] == "→ run `this`"


FIT = {
    "device": "cpu", "device_name": "a chip", "platform": "Linux", "python": "3.12", "mlx": "0.40",
    "blas": "mkl", "threads": 2, "kernels": "vector", "tf32": "off", "memory_bytes": 8 * 2**30,
    "ram_bytes": 16 * 2**30, "matmul_gflops": 90.0, "disk_free_bytes": 50 * 2**30,
    "sensor": "smc: best available", "versions": {"mlxts": "1"}, "mlx_library": "mlx-cpu",
    "problem": None, "workspace": "/w", "raw_artifacts": 2, "processed_artifacts": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "name", "status"),
    [
        ({"blas": "reference"}, "matrix products", "problem"),
        ({"memory_bytes": 2**30}, "memory", "warning"),
        ({"sensor": "none: no temperature can be read here"}, "temperature", "warning"),
        ({"disk_free_bytes": 2**30}, "disk", "warning"),
        ({"raw_artifacts": 0}, "data", "warning"),
        ({"problem": "no backend: install one"}, "MLX", "problem"),
    ],
)
def test_what_is_not_well_has_one_advice_and_what_is_well_has_none(
    change: dict[str, object], name: str, status: str
) -> None:
    assert {(check.status, check.advice) for check in checks(FIT)} == {("ok", "")}
    wrong = [check for check in checks(FIT | change) if check.status != "ok"]
    assert [(check.name, check.status) for check in wrong] == [(name, status)]
    assert wrong[0].advice
    assert "\n" not in wrong[0].advice


def test_the_wheel_that_computes_is_named() -> None:
    assert json.loads(_doctor("--json"))["mlx_library"] == wheels.owner()
