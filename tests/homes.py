"""Workspaces with simulated bars, for tests that go from the data to a trained model."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mlxts import experiment, files
from mlxts.config.loading import build_config
from mlxts.data import store
from mlxts.simulation.source import SimulatedSource
from mlxts.training.plan import make_plan

SETTINGS: dict[str, Any] = {
    "name": "small",
    "mode": "exploratory",
    "budget": "0.02M",
    "data": {"source": "simulated"},
    "training": {"max_epochs": 2, "validations_per_epoch": 3, "batch_size": 128},
    "thermal": {"sensor": "off"},
    "checkpoint": {"every_seconds": 0},
}


def simulated(
    home: Path,
    patch: pytest.MonkeyPatch,
    first: date = date(2018, 1, 2),
    last: date = date(2025, 3, 31),
) -> Path:
    """Make `home` the workspace and the working folder, with bars of SPY and small.yaml."""
    patch.setenv("MLXTS_HOME", str(home))
    patch.chdir(home)
    source = SimulatedSource("sv", first=first, last=last)
    bars = source.fetch("SPY")
    store.register_raw(bars.frame, source="simulated", symbol="SPY", parameters=bars.parameters)
    files.write_text(home / "small.yaml", build_config(SETTINGS).to_yaml())
    return home


def trained(changes: dict[str, Any] | None = None) -> Path:
    """The folder of a run of SETTINGS and `changes`, trained to its end in this workspace."""
    plan = make_plan(build_config({**SETTINGS, **(changes or {})}))
    summary = experiment.run_experiment(plan, emit=lambda event: None)
    assert summary["status"] in experiment.FINISHED
    return plan.folder.resolve()
