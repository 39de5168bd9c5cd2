"""Several assets as one data set: whose loss stops training, and what an asset is told to be."""

import numpy as np
import pytest

from mlxts import experiment
from mlxts.config.loading import load_config
from mlxts.data import store
from mlxts.losses import sample_losses
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK
from mlxts.simulation.source import SimulatedSource
from mlxts.training.plan import Plan, make_plan
from tests import homes

POOLED = {"data.symbols": ["SPY", "LATE"], "training.max_epochs": 1}


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = homes.simulated(tmp_path, monkeypatch)
    late = SimulatedSource("gbm", first=homes.date(2020, 1, 2), last=homes.date(2025, 3, 31))
    bars = late.fetch("LATE")
    store.register_raw(bars.frame, source="simulated", symbol="LATE", parameters=bars.parameters)
    return home


def plan(home, **changes) -> Plan:
    return make_plan(load_config(home / "small.yaml", POOLED | changes))


def execute(planned: Plan, **options) -> dict:
    return experiment.execute(planned, emit=lambda event: None, **options)


@pytest.mark.parametrize("stop_on", ["samples", "scored", "panel"])
def test_the_best_loss_of_a_run_is_that_of_the_samples_it_stops_on(home, stop_on):
    planned = plan(home, **{"training.stop_on": stop_on})
    summary = execute(planned)
    assert summary["stop_on"] == stop_on
    assert RunFolder(planned.folder).metadata(("stop_on",))["stop_on"] == stop_on
    rows = RunFolder(planned.folder).predictions().filter(model=NETWORK, split="validation")
    losses = sample_losses(
        rows["logit"].to_numpy(), rows["target"].to_numpy(), planned.dataset.task
    )
    symbols = rows["symbol"].to_numpy()
    own = {symbol: losses[symbols == symbol].mean() for symbol in ("SPY", "LATE")}
    expected = {
        "samples": losses.mean(), "scored": own["SPY"], "panel": np.mean(list(own.values())),
    }  # fmt: skip
    assert summary["best_loss"] == pytest.approx(expected[stop_on], abs=1e-6)
