"""What GitHub is to run can be run: targets that exist, on the Pythons that the project states."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from mlxts.workspace import commands

REPOSITORY = Path(__file__).parents[2]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
OLDEST = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["requires-python"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_targets_that_exist_and_names_no_address(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    workflow = yaml.load(text, yaml.BaseLoader)  # for YAML 1.1 the key `on` is true
    assert {"name", "on", "permissions", "jobs"} <= set(workflow)
    for job in workflow["jobs"].values():
        assert {"runs-on", "timeout-minutes", "steps"} <= set(job)
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
    assert set(re.findall(r"\bmake ([a-z]+)", text)) <= commands.targets(REPOSITORY)
    assert "://" not in text


def test_tests_run_on_both_systems_with_the_oldest_python_and_the_newest() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "test.yml").read_text())
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["system"] == ["ubuntu-latest", "macos-latest"]
    oldest, newest = matrix["python"]
    assert OLDEST.startswith(f">={oldest}.")
    assert newest == "3.x"
