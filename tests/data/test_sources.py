"""What every source promises, checked on all of them."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlxts.data.sources.base import Source
from mlxts.data.sources.files import FilesSource
from mlxts.data.sources.sample import STOCKS, SampleSource
from mlxts.data.sources.yahoo import YahooSource
from mlxts.errors import SourceError
from mlxts.simulation.markets import MARKETS
from mlxts.simulation.source import SimulatedSource
from mlxts.testing.sources import SourceSuite
from tests.data.yahoo_chart import Transport

YEAR: dict[str, Any] = {"first": date(2020, 1, 2), "last": date(2020, 12, 31)}
Make = Callable[[pl.DataFrame, Path], Source]


def csv(bars: pl.DataFrame, folder: Path) -> Source:
    path = folder / "bars.csv"
    bars.select("date", "open", "high", "low", "close", "volume").write_csv(path)
    return FilesSource(path)


def values(bars: pl.DataFrame, folder: Path) -> Source:
    path = folder / "values.parquet"
    bars.select("date", "close").write_parquet(path)
    return FilesSource(path, values=True)


def online(bars: pl.DataFrame, folder: Path) -> Source:
    import yfinance

    transport = Transport(bars.with_columns(adj_close="close"))

    def ticker(symbol: str) -> yfinance.Ticker:
        made = yfinance.Ticker(symbol)
        vars(made)["_data"] = transport  # in the place of its own session
        return made

    return YahooSource(
        ticker, now=lambda: datetime(2030, 1, 1, tzinfo=UTC), sleep=lambda seconds: None
    )


SOURCES: dict[str, tuple[Make, str]] = {
    "sample-bars": (lambda bars, folder: SampleSource(), "SP500"),
    "sample-stocks": (lambda bars, folder: SampleSource(), "MSFT"),
    "sample-values": (lambda bars, folder: SampleSource(), "VIX"),
    **{
        f"simulated-{kind}": (lambda bars, folder, kind=kind: SimulatedSource(kind, **YEAR), "SIM")
        for kind in MARKETS
    },
    "files-bars": (csv, "SPY"),
    "files-values": (values, "VIX"),
    "yahoo": (online, "SPY"),
}


@pytest.mark.usefixtures("yahoo_cache")
class TestSources(SourceSuite):
    @pytest.fixture(params=SOURCES)
    def given(
        self, request: pytest.FixtureRequest, bars: pl.DataFrame, tmp_path: Path
    ) -> tuple[Source, str]:
        make, symbol = SOURCES[request.param]
        return make(bars, tmp_path), symbol


@pytest.mark.parametrize("symbol", STOCKS)
def test_splits_of_a_sample_stock_explain_every_jump_of_its_close_that_the_adjusted_has_not(
    symbol: str,
) -> None:
    bars = SampleSource().fetch(symbol).frame
    close, adjusted = bars["close"], bars["adj_close"]
    ratio = np.where(bars["splits"] > 0, bars["splits"], 1.0)[1:]
    raw = (close[1:].to_numpy() / close[:-1].to_numpy()) * ratio
    np.testing.assert_allclose(raw, adjusted[1:].to_numpy() / adjusted[:-1].to_numpy(), rtol=0.2)
    assert (bars["high"] >= bars.select(pl.max_horizontal("open", "close")).to_series()).all()


def test_the_sample_knows_its_symbols() -> None:
    assert SampleSource().fetch("SP500").frame.height == 5031
    assert SampleSource().fetch("NASDAQ").frame.height == 5031
    vix = SampleSource().fetch("VIX")
    assert (vix.frame["date"][0], vix.frame.height) == (date(2014, 1, 3), 1259)
    assert vix.notes == ("46 dates without a value were left out",)
    with pytest.raises(SourceError, match="it has SP500, NASDAQ, AAPL, GOOG, IBM, MSFT, VIX"):
        SampleSource().fetch("SPY")
