"""Fixtures of the data room: a workspace of one's own, and honest bars."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from mlxts.simulation.source import SimulatedSource


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace that MLXTS_HOME names."""
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def yahoo_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """yfinance keeps the first cache that it opens, so its folder has to outlive a test."""
    yfinance = pytest.importorskip("yfinance")
    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))


@pytest.fixture(scope="session")
def bars() -> pl.DataFrame:
    """Bars of a simulated year, without the oracle columns."""
    fetched = SimulatedSource("sv", first=date(2020, 1, 2), last=date(2020, 12, 31)).fetch("TEST")
    return fetched.frame.select(pl.exclude("^oracle_.*$"))
