"""What every source promises, checked on all of them."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlxts.data import checks, store
from mlxts.data.sources.base import BAR_SCHEMA, PLANTED, VALUE_SCHEMA, Source, is_bars
from mlxts.data.sources.files import FilesSource
from mlxts.data.sources.sample import SampleSource
from mlxts.data.sources.yahoo import YahooSource
from mlxts.errors import SourceError
from mlxts.simulation.markets import MARKETS
from mlxts.simulation.source import SimulatedSource
from tests.data.yahoo_chart import Transport

YEAR = {"first": date(2020, 1, 2), "last": date(2020, 12, 31)}
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

    yfinance.set_tz_cache_location(str(folder))
    transport = Transport(bars.with_columns(adj_close="close"))

    def ticker(symbol: str) -> yfinance.Ticker:
        made = yfinance.Ticker(symbol)
        made._data = transport
        return made

    return YahooSource(
        ticker, now=lambda: datetime(2030, 1, 1, tzinfo=UTC), sleep=lambda seconds: None
    )


SOURCES: dict[str, tuple[Make, str]] = {
    "sample-bars": (lambda bars, folder: SampleSource(), "SP500"),
    "sample-values": (lambda bars, folder: SampleSource(), "VIX"),
    **{
        f"simulated-{kind}": (lambda bars, folder, kind=kind: SimulatedSource(kind, **YEAR), "SIM")
        for kind in MARKETS
    },
    "files-bars": (csv, "SPY"),
    "files-values": (values, "VIX"),
    "yahoo": (online, "SPY"),
}


@pytest.fixture(params=SOURCES)
def given(request: pytest.FixtureRequest, bars: pl.DataFrame, tmp_path: Path) -> tuple[Source, str]:
    make, symbol = SOURCES[request.param]
    return make(bars, tmp_path), symbol


def test_the_schema_is_that_of_bars_or_of_values(given: tuple[Source, str]) -> None:
    source, symbol = given
    frame = source.fetch(symbol).frame
    schema = dict(BAR_SCHEMA if is_bars(frame) else VALUE_SCHEMA)
    extra = {n: t for n, t in frame.schema.items() if n.startswith(("oracle_", PLANTED))}
    assert dict(frame.schema) == schema | extra
    assert list(frame.columns)[: len(schema)] == list(schema)


def test_what_is_delivered_passes_every_check(given: tuple[Source, str]) -> None:
    source, symbol = given
    assert checks.check(source.fetch(symbol).frame) == ()


def test_both_bounds_are_included_and_nothing_else_changes(given: tuple[Source, str]) -> None:
    source, symbol = given
    whole = source.fetch(symbol).frame
    first, last = whole["date"][20], whole["date"][-20]
    assert_frame_equal(source.fetch(symbol, first, last).frame, whole[20:-19])
    assert_frame_equal(source.fetch(symbol, end=last).frame, whole[:-19])
    between = first - timedelta(days=1)  # bounds need be no sessions
    assert source.fetch(symbol, between).frame["date"][0] >= between


def test_an_empty_range_is_an_error(given: tuple[Source, str]) -> None:
    source, symbol = given
    with pytest.raises(SourceError) as caught:
        source.fetch(symbol, date(1901, 1, 1), date(1901, 2, 1))
    assert "\n" not in str(caught.value)


def test_the_same_request_gives_the_same_answer(given: tuple[Source, str]) -> None:
    source, symbol = given
    one, two = source.fetch(symbol), source.fetch(symbol)
    assert_frame_equal(one.frame, two.frame)
    assert one.parameters == two.parameters


def test_parameters_survive_the_manifest(given: tuple[Source, str], workspace: Path) -> None:
    source, symbol = given
    fetched = source.fetch(symbol)
    artifact = store.register_raw(
        fetched.frame, source=source.name, symbol=symbol, parameters=fetched.parameters
    )
    assert store.raw_artifacts() == [artifact]
    assert artifact.parameters == json.loads(json.dumps(fetched.parameters))
    assert_frame_equal(store.load(artifact), fetched.frame)


def test_the_sample_knows_its_symbols() -> None:
    assert SampleSource().fetch("SP500").frame.height == 5031
    assert SampleSource().fetch("NASDAQ").frame.height == 5031
    vix = SampleSource().fetch("VIX")
    assert (vix.frame["date"][0], vix.frame.height) == (date(2014, 1, 3), 1259)
    assert vix.notes == ("46 dates without a value were left out",)
    with pytest.raises(SourceError, match="it has SP500, NASDAQ, VIX"):
        SampleSource().fetch("SPY")
