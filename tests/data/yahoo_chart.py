"""Yahoo's chart answers, made from bars: what stands in for the network below yfinance."""

import json
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

ZONE = ZoneInfo("America/New_York")


def stamp(day: date, hour: int = 9, minute: int = 30) -> int:
    return int(datetime.combine(day, time(hour, minute), ZONE).timestamp())


def chart(bars: pl.DataFrame, *, symbol: str, session: date | None = None) -> dict[str, Any]:
    """The body of a chart answer. `session`: the one that Yahoo calls the current one."""
    session = session or bars["date"][-1]
    period = {"timezone": "EST", "gmtoffset": -18000}
    trading = {"start": stamp(session), "end": stamp(session, 16, 0), **period}
    events: dict[str, Any] = {"dividends": {}, "splits": {}}
    for day, dividend, split in bars.select("date", "dividends", "splits").iter_rows():
        at = stamp(day)
        if dividend:
            events["dividends"][str(at)] = {"amount": dividend, "date": at}
        if split:
            ratio = {"numerator": split, "denominator": 1.0, "splitRatio": f"{split}:1"}
            events["splits"][str(at)] = {"date": at, **ratio}
    quote = {n: bars[n].to_list() for n in ("open", "high", "low", "close", "volume")}
    result = {
        "meta": {
            "currency": "USD",
            "symbol": symbol,
            "instrumentType": "EQUITY",
            "exchangeTimezoneName": ZONE.key,
            "timezone": "EST",
            "gmtoffset": -18000,
            "firstTradeDate": stamp(bars["date"][0]),
            "regularMarketTime": stamp(session, 16, 0),
            "regularMarketPrice": bars["close"][-1],
            "priceHint": 2,
            "dataGranularity": "1d",
            "validRanges": ["1d", "5d", "1mo", "max"],
            "currentTradingPeriod": {"pre": trading, "regular": trading, "post": trading},
        },
        "timestamp": [stamp(day) for day in bars["date"]],
        "events": {name: found for name, found in events.items() if found},
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": bars["adj_close"].to_list()}]},
    }
    return {"chart": {"result": [result], "error": None}}


UNKNOWN = {
    "chart": {
        "result": None,
        "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"},
    }
}


EMPTY = {
    "chart": {
        "result": None,
        "error": {"code": "Bad Request", "description": "Data doesn't exist for startDate"},
    }
}


class Answer:
    """An HTTP response, as far as yfinance reads it."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.text = json.dumps(body)

    def json(self) -> dict[str, Any]:
        return json.loads(self.text)


class Transport:
    """Answers chart requests from bars, cutting them to the range asked for, as Yahoo does.

    `troubles` are raised first, one a request.
    """

    def __init__(
        self, bars: pl.DataFrame, troubles: tuple[Exception, ...] = (), session: date | None = None
    ) -> None:
        self.bars = bars
        self.troubles = list(troubles)
        self.session = session
        self.requests: list[dict[str, Any]] = []

    def get(self, url: str, params: dict[str, Any], timeout: float | None = None) -> Answer:
        self.requests.append(params)
        if self.troubles:
            raise self.troubles.pop(0)
        symbol = url.rsplit("/", 1)[1]
        if symbol == "NOSUCH":
            return Answer(UNKNOWN)
        bars = self.bars
        if "period1" in params:
            first, last = (
                datetime.fromtimestamp(max(params[key], -2_000_000_000), UTC)
                .astimezone(ZONE)
                .date()
                for key in ("period1", "period2")
            )
            bars = bars.filter(pl.col("date").is_between(first, last, closed="left"))
        if bars.is_empty():
            return Answer(EMPTY)
        return Answer(chart(bars, symbol=symbol, session=self.session))

    cache_get = get
