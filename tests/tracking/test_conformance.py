"""One suite for every tracker: a run's settings, numbers per step, files and tags come back."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxts.tracking import base
from tests.tracking import stories

ROOT = Path(__file__).parents[2]


def _held(name: str, home: Path) -> dict[str, dict[str, Any]]:
    """What a tracker holds of a run that it was told `once`, and of one it was told `twice`."""
    if name == "recording":
        runs: dict[str, dict[str, Any]] = {}
        stories.tell(stories.Recording(runs), home / "run", stories.events())
        return {"once": json.loads(json.dumps(runs[stories.RUN_ID], default=str))}
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed; the extra `tracking` brings it")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.tracking.stories", name, str(home)],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("HELD ")]
    return json.loads(line.removeprefix("HELD "))


@pytest.fixture(scope="module", params=["recording", "mlflow", "wandb"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def both(name: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return _held(name, tmp_path_factory.mktemp(name))


@pytest.fixture
def held(both: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return both["once"]


def test_every_setting_is_a_parameter_and_tracking_itself_is_none(held: dict[str, Any]) -> None:
    assert held["params"]["training.learning_rate"] == "0.0001"
    assert held["params"]["budget"] == "0.02M"
    assert held["params"]["run.n_total"] == "20000"
    assert not [key for key in held["params"] if key.startswith("tracking")]


def test_every_step_has_its_numbers(held: dict[str, Any]) -> None:
    losses = held["metrics"]["train/loss"]
    assert len(losses) == 1200
    assert [losses[str(step)] for step in (1, 2, 1200)] == [1.0, 0.5, 1 / 1200]
    assert held["metrics"]["memory/peak"]["600"] == 1600
    assert held["metrics"]["validation/loss"] == {"600": 0.7, "1200": 0.7}
    assert held["metrics"]["epoch/train_loss"] == {"600": 0.65, "1200": 0.65}


def test_heat_is_among_the_numbers_and_what_was_not_measured_is_not(held: dict[str, Any]) -> None:
    assert held["metrics"]["thermal/temperature"] == {"600": 55.5, "1200": 55.5}
    assert "thermal/gpu" not in held["metrics"]


def test_files_scores_tags_and_the_end_are_there(held: dict[str, Any]) -> None:
    assert held["artifacts"]["config.yaml"] == "config.yaml of the run"
    assert set(held["artifacts"]) == {"config.yaml", "summary.json"}
    assert held["scores"]["score/validation/patchtst/auc"] == 0.61
    assert held["tags"]["mlxts.run_id"] == stories.RUN_ID
    assert held["tags"]["mlxts.config_hash"] == "abc"
    assert held["status"] == base.FINISHED


def test_a_run_that_is_told_again_is_there_once_and_whole(
    both: dict[str, dict[str, Any]],
) -> None:
    if "twice" not in both:
        pytest.skip("a dictionary holds a step once by itself")
    held = both["twice"]
    assert len(held["metrics"]["train/loss"]) == 1200
    assert held["metrics"]["validation/loss"] == {"600": 0.7, "1200": 0.7}
    assert set(held["artifacts"]) == {"config.yaml", "summary.json"}
