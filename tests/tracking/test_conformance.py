"""One suite for every tracker: a run's settings, numbers per step, files and tags come back."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxts.testing import trackers
from mlxts.testing.trackers import TrackerSuite
from tests.tracking import stories

ROOT = Path(__file__).parents[2]


def _held(name: str, home: Path) -> dict[str, dict[str, Any]]:
    """What a tracker holds of a run that it was told `once`, and of one it was told `twice`."""
    if name == "recording":
        runs: dict[str, dict[str, Any]] = {}
        trackers.send_events(stories.Recording(runs), home / "run", trackers.events())
        return {"once": json.loads(json.dumps(runs[trackers.RUN_ID], default=str))}
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
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    return _held(request.param, tmp_path_factory.mktemp(request.param))


class TestTrackers(TrackerSuite):
    @pytest.fixture
    def stored(self, both: dict[str, dict[str, Any]]) -> dict[str, Any]:
        return both["once"]

    @pytest.fixture
    def stored_after_restart(self, both: dict[str, dict[str, Any]]) -> dict[str, Any]:
        if "twice" not in both:
            pytest.skip("a dictionary holds a step once by itself")
        return both["twice"]
