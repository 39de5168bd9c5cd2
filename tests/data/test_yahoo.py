"""The Yahoo source through yfinance's own code; only the HTTP below it is replaced."""

import logging
import socket
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlxts.data import checks
from mlxts.data.sources import yahoo
from mlxts.data.sources.yahoo import YahooSource
from mlxts.errors import OfflineError, SourceError
from tests.data.yahoo_chart import Transport

yfinance = pytest.importorskip("yfinance")
LATER = datetime(2030, 1, 1, tzinfo=UTC)


pytestmark = pytest.mark.usefixtures("yahoo_cache")


@pytest.fixture
def traded(bars: pl.DataFrame) -> pl.DataFrame:
    """A year with a dividend and a split, as Yahoo has it: prices adjusted for the split alone."""
    day = pl.int_range(pl.len())
    return bars.with_columns(
        pl.col("volume").round(),
        adj_close=pl.when(day < 50).then(pl.col("close") * 0.99).otherwise("close"),
        dividends=pl.when(day == 50).then(1.25).otherwise(0.0),
        splits=pl.when(day == 150).then(4.0).otherwise(0.0),
    )


class Clock:
    """Counts what is slept, and says what was told."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.told: list[str] = []


def source(transport: Transport, clock: Clock | None = None, now: datetime = LATER) -> YahooSource:
    def ticker(symbol: str) -> Any:
        made = yfinance.Ticker(symbol)
        made._data = transport
        return made

    clock = clock or Clock()
    return YahooSource(
        ticker,
        now=lambda: now,
        sleep=clock.slept.append,
        uniform=lambda: 0.5,
        tell=clock.told.append,
    )


def test_bars_events_and_adjusted_closes_arrive_unadjusted(traded: pl.DataFrame) -> None:
    fetched = source(Transport(traded)).fetch("SPY")
    assert_frame_equal(fetched.frame, traded)
    assert checks.check(fetched.frame) == ()
    assert fetched.notes == ()
    assert fetched.parameters["auto_adjust"] is False
    assert fetched.parameters["time_zone"] == "America/New_York"
    assert fetched.parameters["currency"] == "USD"


def test_both_ends_of_the_range_are_included(traded: pl.DataFrame) -> None:
    first, last = date(2020, 3, 2), date(2020, 4, 30)
    fetched = source(Transport(traded)).fetch("SPY", first, last)
    assert (fetched.frame["date"][0], fetched.frame["date"][-1]) == (first, last)


@pytest.mark.parametrize(
    ("now", "kept"),
    [
        (datetime(2020, 12, 31, 18, 0, tzinfo=UTC), False),  # 13:00 in New York
        (datetime(2020, 12, 31, 21, 10, tzinfo=UTC), False),  # closed, the auction not yet in
        (datetime(2020, 12, 31, 21, 31, tzinfo=UTC), True),
    ],
)
def test_an_unfinished_bar_is_left_out_and_said(
    traded: pl.DataFrame, now: datetime, kept: bool
) -> None:
    fetched = source(Transport(traded), now=now).fetch("SPY")
    assert fetched.frame.height == traded.height - (not kept)
    assert bool(fetched.notes) is not kept
    if not kept:
        assert "2020-12-31 is not finished" in fetched.notes[0]


@pytest.mark.parametrize(("hour", "kept"), [(4, False), (6, True)])
def test_without_a_known_close_a_bar_is_finished_when_its_day_is(
    traded: pl.DataFrame, hour: int, kept: bool
) -> None:
    """Midnight in New York is 05:00 UTC in winter."""
    transport = Transport(traded, session=date(2021, 1, 4))
    fetched = source(transport, now=datetime(2021, 1, 1, hour, tzinfo=UTC)).fetch("SPY")
    assert fetched.frame.height == traded.height - (not kept)


def test_a_row_without_prices_is_left_out_and_named(traded: pl.DataFrame) -> None:
    holes = pl.int_range(pl.len()) == 77
    names = ("open", "high", "low", "close", "volume", "adj_close")
    holed = traded.with_columns(pl.when(holes).then(None).otherwise(n).alias(n) for n in names)
    fetched = source(Transport(holed)).fetch("SPY")
    assert fetched.frame.height == traded.height - 1
    assert str(traded["date"][77]) in fetched.notes[0]


def test_rate_limits_are_waited_for_longer_and_longer(traded: pl.DataFrame) -> None:
    clock = Clock()
    limits = tuple(yfinance.exceptions.YFRateLimitError() for _ in range(3))
    fetched = source(Transport(traded, limits), clock).fetch("SPY")
    assert fetched.frame.height == traded.height
    assert clock.slept == [2.0, 4.0, 8.0]
    assert len(clock.told) == 3
    assert "limits the rate" in clock.told[0]


def test_patience_has_a_hard_cap(traded: pl.DataFrame) -> None:
    clock = Clock()
    limits = tuple(yfinance.exceptions.YFRateLimitError() for _ in range(99))
    transport = Transport(traded, limits)
    with pytest.raises(SourceError, match=r"6 times in a row; try again later"):
        source(transport, clock).fetch("SPY")
    assert len(transport.requests) == yahoo.ATTEMPTS
    assert sum(clock.slept) == 62.0
    assert max(clock.slept) <= yahoo.LONGEST_WAIT


def test_a_server_that_does_not_answer_is_one_line(traded: pl.DataFrame) -> None:
    advice = "See https://curl.se/libcurl/c/libcurl-errors.html first for more details."
    troubles = tuple(ConnectionError(f"Could not connect. {advice}") for _ in range(99))
    with pytest.raises(SourceError, match=r"cannot be reached \(Could not connect\)"):
        source(Transport(traded, troubles)).fetch("SPY")


def _of_curl() -> OSError:
    errors = pytest.importorskip("curl_cffi.requests.exceptions")
    return errors.DNSError("Could not resolve host: query2.finance.yahoo.com", 6)


def _of_the_system() -> OSError:
    error = ConnectionError("Max retries exceeded")
    error.__cause__ = socket.gaierror(-2, "Name or service not known")
    return error


@pytest.mark.parametrize("trouble", [_of_curl, _of_the_system])
def test_without_a_network_it_is_asked_once(
    traded: pl.DataFrame, trouble: Callable[[], OSError]
) -> None:
    clock, transport = Clock(), Transport(traded, tuple(trouble() for _ in range(99)))
    with pytest.raises(OfflineError, match="SPY: the address of Yahoo cannot be resolved"):
        source(transport, clock).fetch("SPY")
    assert len(transport.requests) == 1
    assert (clock.slept, clock.told) == ([], [])


def test_what_yfinance_logs_on_the_way_is_not_shown(
    traded: pl.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("yfinance")
    level = log.level

    def ticker(symbol: str) -> Any:
        log.error("Cookie/crumb fetch failed")
        made = yfinance.Ticker(symbol)
        made._data = Transport(traded)
        return made

    YahooSource(ticker, now=lambda: LATER).fetch("SPY")
    assert caplog.text == ""
    assert log.level == level


def test_an_unknown_ticker_is_no_empty_table(traded: pl.DataFrame) -> None:
    clock = Clock()
    # Where the chart knows no time zone yfinance looks for one elsewhere, on the network.
    with patch.object(yfinance.Ticker, "info", {}), pytest.raises(SourceError, match="NOSUCH"):
        source(Transport(traded), clock).fetch("NOSUCH")
    assert clock.slept == []


def test_tickers_are_asked_for_one_at_a_time_with_a_pause(traded: pl.DataFrame) -> None:
    clock = Clock()
    chosen = source(Transport(traded), clock)
    chosen.fetch("SPY")
    chosen.fetch("QQQ")
    assert clock.slept == [yahoo.PAUSE]


def test_the_library_is_left_as_it_was_found(traded: pl.DataFrame) -> None:
    before = yfinance.config.debug.hide_exceptions
    source(Transport(traded)).fetch("SPY")
    assert yfinance.config.debug.hide_exceptions == before
