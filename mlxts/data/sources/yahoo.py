"""Yahoo Finance, through yfinance: daily bars with dividends and splits.

Prices and volumes come adjusted for splits but not for dividends; `adj_close` has both. Yahoo
rewrites adj_close after each dividend, so the same request gives other numbers later: what was
stored is the only copy of what was used.
"""

import logging
import random
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from mlxts.data.sources.base import Fetched, as_bars, requested_range, within
from mlxts.data.sources.http import is_unresolved, offline
from mlxts.errors import SourceError

ATTEMPTS = 6  # requests for one ticker, the first included
FIRST_WAIT = 2.0  # seconds; doubled after each attempt, times a random 0.5 .. 1.5
LONGEST_WAIT = 60.0  # seconds
PAUSE = 1.0  # seconds between tickers
SETTLES = timedelta(minutes=30)  # after the close, until the closing auction is in the bar

_COLUMNS = {
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Adj Close": "adj_close",
    "Volume": "volume",
    "Dividends": "dividends",
    "Stock Splits": "splits",
}
_METADATA = ("currency", "exchangeTimezoneName", "currentTradingPeriod")


class YahooSource:
    """Daily history of one ticker at a time.

    Args:
        ticker: makes an object like `yfinance.Ticker`; None: yfinance's own.
        now: the present, with a time zone.
        sleep: waits that many seconds.
        uniform: a random number in [0, 1), spreads the waits of parallel users.
        tell: called with a message before each wait.
    """

    name = "yahoo"

    def __init__(
        self,
        ticker: Callable[[str], Any] | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[], float] = random.random,
        tell: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._ticker = ticker
        self._now = now
        self._sleep = sleep
        self._uniform = uniform
        self._tell = tell
        self._asked_before = False

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """Finished bars only; a day that is still trading is left out, with a note.

        Raises:
            OfflineError: no network; there is no retry.
            SourceError: cannot be reached or rate limited beyond patience, or an unknown ticker.
        """
        import yfinance

        table, metadata = self._patiently(symbol, start, end)
        if table.empty:
            raise SourceError(
                f"Yahoo has no bars of {symbol} in that range; check the symbol and the dates"
            )
        unknown = [name for name in _COLUMNS if name not in table.columns]
        if unknown:
            raise SourceError(
                f"Yahoo's answer for {symbol} lacks {', '.join(unknown)}; update yfinance "
                f"(installed: {yfinance.__version__}) or import a file"
            )
        # The index is midnight in the exchange's own time zone, so its date is the session's.
        days = pl.Series("date", [stamp.date() for stamp in table.index], dtype=pl.Date)
        numbers = [
            pl.Series(ours, table[theirs].to_numpy(dtype=float, na_value=float("nan")))
            for theirs, ours in _COLUMNS.items()
        ]
        frame = as_bars(pl.DataFrame([days, *numbers]))
        frame, notes = self._finished(frame, metadata)
        frame, empty = _without_empty(frame)
        described = {
            "ticker": symbol,
            "interval": "1d",
            "auto_adjust": False,
            "actions": True,
            "yfinance": yfinance.__version__,
            "currency": metadata.get("currency"),
            "time_zone": metadata.get("exchangeTimezoneName"),
        }
        rows = within(frame, start, end, subject=f"Yahoo's {symbol}")
        return Fetched(rows, described | requested_range(start, end), (*notes, *empty))

    def _patiently(self, symbol: str, start: date | None, end: date | None) -> tuple[Any, Any]:
        """Ask until there is an answer, waiting longer each time, at most ATTEMPTS times."""
        from yfinance.exceptions import YFException, YFRateLimitError

        if self._asked_before:
            self._sleep(PAUSE)
        self._asked_before = True
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._ask(symbol, start, end)
            except YFRateLimitError as error:
                trouble, cause = "limits the rate of requests", error
            except YFException as error:
                raise SourceError(f"Yahoo: {_line(error)}; check the symbol {symbol}") from error
            except OSError as error:  # of the HTTP client: no network, time-out, an HTTP status
                if is_unresolved(error):
                    raise offline(symbol, "Yahoo") from error
                status = getattr(getattr(error, "response", None), "status_code", None)
                if status == 404:
                    raise SourceError(f"Yahoo does not know {symbol}; check the symbol") from error
                trouble, cause = f"cannot be reached ({_line(error)})", error
            if attempt < ATTEMPTS:
                wait = min(FIRST_WAIT * 2 ** (attempt - 1) * (0.5 + self._uniform()), LONGEST_WAIT)
                self._tell(f"{symbol}: Yahoo {trouble}; retrying in {wait:.0f} s")
                self._sleep(wait)
        raise SourceError(
            f"{symbol}: Yahoo {trouble}, {ATTEMPTS} times in a row; try again later, or "
            "`mlxts data import` a file"
        ) from cause

    def _ask(self, symbol: str, start: date | None, end: date | None) -> tuple[Any, Any]:
        import yfinance

        make = self._ticker or yfinance.Ticker
        request: dict[str, Any] = {"start": str(start)} if start else {"period": "max"}
        if end:
            request["end"] = str(end + timedelta(days=1))  # theirs is exclusive
        debug = yfinance.config.debug
        hidden = debug.hide_exceptions
        debug.hide_exceptions = False  # else a failure is an empty table
        try:
            with warnings.catch_warnings(), _silenced(logging.getLogger("yfinance")):
                # yfinance's use of pandas is its own affair, and it lags behind pandas.
                warnings.simplefilter("ignore", DeprecationWarning)
                ticker = make(symbol)
                table = ticker.history(
                    **request, interval="1d", auto_adjust=False, actions=True, keepna=True
                )
                # By name: to list all of it would fetch intraday bars.
                metadata = ticker.history_metadata
                return table, {name: metadata.get(name) for name in _METADATA}
        finally:
            debug.hide_exceptions = hidden

    def _finished(
        self, frame: pl.DataFrame, metadata: dict[str, Any]
    ) -> tuple[pl.DataFrame, tuple[str, ...]]:
        """Leave out the last bar while its session is open."""
        day = frame["date"][-1]
        if self._now() >= _close(day, metadata) + SETTLES:
            return frame, ()
        return frame.head(-1), (f"the bar of {day} is not finished and was left out",)


@contextmanager
def _silenced(logger: logging.Logger) -> Generator[None]:
    """Without its messages: errors arrive as exceptions and are reported once."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _close(day: date, metadata: dict[str, Any]) -> datetime:
    """When the session of a day ends: as Yahoo reports it, else the day's end at the exchange."""
    zone = ZoneInfo(metadata.get("exchangeTimezoneName") or "America/New_York")
    regular = (metadata.get("currentTradingPeriod") or {}).get("regular") or {}
    end = regular.get("end")
    if isinstance(end, int | float):
        end = datetime.fromtimestamp(end, UTC)
    if end is not None and end.astimezone(zone).date() == day:
        return end.astimezone(UTC)
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
    return midnight.astimezone(UTC)


def _without_empty(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Leave out days for which Yahoo lists no price at all, with a note that names them."""
    has_price = pl.any_horizontal(pl.col("open", "high", "low", "close").is_not_nan())
    empty = frame.filter(~has_price)["date"].to_list()
    if not empty:
        return frame, ()
    first_dates = ", ".join(map(str, empty[:5])) + (", …" if len(empty) > 5 else "")
    return frame.filter(has_price), (f"Yahoo has no prices for {first_dates}; left out",)


def _line(error: Exception) -> str:
    """One line of it, without the advice of the HTTP client to read its own manual."""
    text = " ".join(str(error).split())
    return text.partition(" See https://curl.se")[0].removesuffix(".")[:200]
