"""What is wrong with a whole series of bars is refused by its name, and no real market is."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from mlxts.data import calendar, checks, series_checks
from mlxts.data.sources.base import as_bars
from mlxts.errors import DataError

FIRST, LAST = date(2020, 1, 2), date(2022, 12, 30)
DAY = timedelta(days=1)
SESSIONS = calendar.sessions(FIRST, LAST)
EVERY_DAY = [FIRST + n * DAY for n in range((LAST - FIRST).days)]


def bars(days: list[date], scale: float = 1.0, tick: float = 0.01) -> pl.DataFrame:
    moves = np.random.default_rng(0).normal(0, 0.01, len(days)).cumsum()
    close = (384.37 * np.exp(moves) / tick).round() * tick * scale
    high, low = ((close * by / tick / scale).round() * tick * scale for by in (1.01, 0.99))
    prices = {"open": close, "high": high, "low": low, "close": close}
    if scale > 1:
        prices = {name: values.round() for name, values in prices.items()}
    return as_bars(pl.DataFrame({"date": days, **prices, "volume": [1e6] * len(days)}))


def in_utc(days: list[date], zone: str) -> list[date]:
    """The dates in UTC of the midnights that begin days elsewhere."""
    here, utc = ZoneInfo(zone), ZoneInfo("UTC")
    midnights = (datetime(d.year, d.month, d.day, tzinfo=here) for d in days)
    return [midnight.astimezone(utc).date() for midnight in midnights]


NOT_DAILY: dict[str, tuple[list[date], str]] = {
    "weekly": (SESSIONS[::5], r"7 days apart \(median\), so they are weekly"),
    "fortnightly": (SESSIONS[::10], "14 days apart .* fortnightly"),
    "monthly": ([date(y, m, 1) for y in (2020, 2021) for m in range(1, 13)], "31 days .* monthly"),
    "three days": (EVERY_DAY[::3], "3 days apart .* not daily"),
    "hourly": (sorted(SESSIONS * 7), "several bars, so they are intraday"),
}


@pytest.mark.parametrize("kind", NOT_DAILY)
def test_bars_that_are_not_daily_are_refused_with_their_spacing(kind: str) -> None:
    days, message = NOT_DAILY[kind]
    with pytest.raises(DataError, match=f"^files/X: .*{message}.*; export daily bars") as caught:
        checks.require(bars(days), subject="files/X")
    assert len(str(caught.value)) < 300


SHIFTED: dict[str, tuple[list[date], str]] = {
    "Tokyo's midnights": (in_utc(SESSIONS, "Asia/Tokyo"), "Sundays, and Fridays .* a day early"),
    "London's, in summer": (in_utc(SESSIONS, "Europe/London"), "Sundays, and Fridays"),
    "New York's closes": ([d + DAY for d in SESSIONS], "Saturdays, and Mondays .* a day late"),
    "two days late": ([d + 2 * DAY for d in SESSIONS], "fall on S"),
}


@pytest.mark.parametrize("kind", SHIFTED)
def test_dates_of_another_time_zone_are_refused(kind: str) -> None:
    days, message = SHIFTED[kind]
    with pytest.raises(DataError, match=rf"{message}.*; write the exchange's own dates"):
        checks.require(bars(days), subject="files/X")


REAL: dict[str, list[date]] = {
    "New York": SESSIONS,
    "crypto": EVERY_DAY,
    "crypto with holes": [d for n, d in enumerate(EVERY_DAY) if n % 11],
    "currencies": [d for d in EVERY_DAY if d.weekday() < 5],
    "currencies with Sundays": [d for d in EVERY_DAY if d.weekday() != 5],
    "currencies with Sundays, closed at holidays": [
        d
        for d in EVERY_DAY
        if d.weekday() == 6 or (d.weekday() < 5 and d not in calendar.holidays(d.year))
    ],
    "New York in 1950, with Saturdays": [
        d - timedelta(days=365 * 70 + 4)
        for d in EVERY_DAY
        if (d - timedelta(days=365 * 70 + 4)).weekday() < 6 and d.toordinal() % 25
    ],
    "crypto without a third of its days": [
        d for d in EVERY_DAY if np.random.default_rng(d.toordinal()).random() < 2 / 3
    ],
    "thinly traded": [d for n, d in enumerate(SESSIONS) if n % 3],
    "its dates turned around": SESSIONS[::-1],
}


@pytest.mark.parametrize("market", REAL)
@pytest.mark.parametrize("rows", [2, 3, 5, 12, 20, 60, 800])
def test_no_real_market_is_refused(market: str, rows: int) -> None:
    days = REAL[market]
    for start in range(0, max(len(days) - rows, 1), 97):
        assert series_checks.fault(bars(days[start : start + rows])) is None


@pytest.mark.parametrize("tick", [0.01, 0.0001, 1 / 64])
@pytest.mark.parametrize("unit", [10**8, 10**9])
def test_fixed_point_prices_are_refused_with_what_to_divide_by(tick: float, unit: int) -> None:
    with pytest.raises(DataError, match=rf"whole numbers around .* divide them by {unit:,} \("):
        checks.require(bars(SESSIONS, unit, tick), subject="files/X")


def test_where_adjusted_prices_leave_no_zeros_both_units_are_named() -> None:
    adjusted = bars(SESSIONS, 1e9).with_columns(pl.col("close") + 1)
    said = series_checks.fixed_point(adjusted)
    assert said is not None
    assert "by the vendor's unit: 100,000,000 (around" in said
    assert "or 1,000,000,000 (around" in said


@pytest.mark.parametrize(
    "make",
    [
        lambda: bars(SESSIONS),
        lambda: bars(SESSIONS, 1e3, 1.0),  # Berkshire
        lambda: bars(EVERY_DAY, 1e5, 0.01),  # a bitcoin in yen
        lambda: bars(EVERY_DAY, 4e6, 0.00025),  # in rupiah, by thousands
        lambda: bars(EVERY_DAY, 4e9).with_columns(pl.col("close") + 0.5),
    ],
)
def test_dear_prices_and_fractions_are_prices(make: Callable[[], pl.DataFrame]) -> None:
    assert series_checks.fixed_point(make()) is None


@pytest.mark.realdata
def test_no_real_series_is_refused(realdata: Path) -> None:
    for path in sorted(realdata.glob("*/*.parquet")):
        frame = pl.read_parquet(path)
        if "open" in frame.columns:
            series = as_bars(frame)
            parts = (series, series.head(30), series.tail(30), series[::-1])
            assert [series_checks.fault(part) for part in parts] == [None] * 4, path
