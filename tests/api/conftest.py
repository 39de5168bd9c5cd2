"""A workspace with one run, trained from a frame of pandas as a notebook has it."""

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mlxts
from mlxts.simulation.source import SimulatedSource

CONFIG: dict[str, Any] = {
    "budget": "0.02M",
    "model": {"context": 16, "patch_length": 4, "stride": 4},
    "training": {"max_epochs": 1, "validations_per_epoch": 2, "batch_size": 128},
    "thermal": {"sensor": "off"},
}


def frame(symbol: str = "SPY", first: date = date(2020, 1, 2)) -> pd.DataFrame:
    """Bars as yfinance gives them: dates in the index, capitals."""
    bars = SimulatedSource("sv", first=first, last=date(2025, 3, 31)).fetch(symbol).frame
    names = {name: name.title() for name in ("date", "open", "high", "low", "close", "volume")}
    return bars.select(*names).rename(names).to_pandas().set_index("Date")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, mlxts.Run]:
    home = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLXTS_HOME", str(home))
        run = mlxts.train(CONFIG, data=frame())
        return home, mlxts.Run(run.folder.absolute())


@pytest.fixture
def run(workspace: tuple[Path, mlxts.Run], monkeypatch: pytest.MonkeyPatch) -> mlxts.Run:
    """The run; its workspace is the current one."""
    home, run = workspace
    monkeypatch.setenv("MLXTS_HOME", str(home))
    return run
