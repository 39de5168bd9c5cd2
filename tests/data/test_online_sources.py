"""FRED, Cboe, the SF Fed and Google Trends: answers of their recorded shapes, and others."""

import io
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from openpyxl import Workbook
from polars.testing import assert_frame_equal

from mlxts.data import checks
from mlxts.data.sources.base import Fetched, Source
from mlxts.data.sources.cboe_vix import CboeVixSource
from mlxts.data.sources.fred import FredSource
from mlxts.data.sources.http import Web
from mlxts.data.sources.sffed import SFFedSource
from mlxts.data.sources.trends_csv import TrendsSource, symbol_of
from mlxts.errors import SourceError
from tests.data.server import PAGE, Answer, serving

FRED = (
    b"observation_date,DGS10\n2023-12-29,3.88\n2024-01-01,.\n2024-01-02,3.95\n2024-01-03,\n"
    b"2024-01-04,3.99\n"
)
CBOE = (
    b"DATE,OPEN,HIGH,LOW,CLOSE\r\n01/02/2024,13.210000,14.230000,13.100000,13.200000\r\n"
    b"01/03/2024,13.380000,0.000000,15.000000,14.040000\r\n"
)


def workbook(*rows: tuple[object, ...], before: bool = True) -> bytes:
    book = Workbook()
    sheet = book.active
    if before:
        sheet.title = "Background"
        sheet.append(["Daily News Sentiment Index"])
        sheet.append(["Source", "Shapiro, Sudhof and Wilson"])
        sheet = book.create_sheet("Data")
    for row in rows:
        sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


SFFED = workbook(
    ("date", "News Sentiment"),
    (datetime(2024, 1, 1), -0.038),
    (datetime(2024, 1, 2), None),
    (datetime(2024, 1, 3), -0.11),
)
Make = Callable[[Web, str], Source]
SOURCES: dict[str, tuple[Make, str, bytes]] = {
    "fred": (lambda web, at: FredSource(web, address=at), "DGS10", FRED),
    "cboe_vix": (lambda web, at: CboeVixSource(web, address=at), "VIX", CBOE),
    "sffed": (lambda web, at: SFFedSource(web, address=at), "SFFED_NEWS_SENTIMENT", SFFED),
}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(params=SOURCES)
def case(request: pytest.FixtureRequest) -> tuple[Make, str, bytes]:
    return SOURCES[request.param]


def fetch(case: tuple[Make, str, bytes], *answers: Answer) -> Fetched:
    """What a source makes of the answers."""
    make, symbol, _ = case
    with serving(*answers) as server:
        return make(server.web(), server.address).fetch(symbol)


def values(*rows: tuple[date, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"date": pl.Date, "value": pl.Float64}, orient="row")


def test_fred_reads_its_header_by_position_and_skips_empty_dates() -> None:
    expected = values(
        (date(2023, 12, 29), 3.88), (date(2024, 1, 2), 3.95), (date(2024, 1, 4), 3.99)
    )
    for header in (b"observation_date,DGS10", b"DATE,VALUE", b"\xef\xbb\xbfwhen,what"):
        body = FRED.replace(b"observation_date,DGS10", header)
        with serving(Answer(body)) as server:
            fetched = FredSource(server.web(), address=server.address).fetch("DGS10")
        assert server.asked == ["/file?id=DGS10"]
        assert_frame_equal(fetched.frame, expected)
        assert fetched.notes == ("2 dates without a value were left out",)


def test_only_closes_are_taken_of_the_vix() -> None:
    """The second row is one of its impossible ones: high 0, low above the close."""
    frame = fetch(SOURCES["cboe_vix"], Answer(CBOE)).frame
    assert_frame_equal(frame, values((date(2024, 1, 2), 13.2), (date(2024, 1, 3), 14.04)))
    noted = b"Cboe Global Markets, historical data\r\n\r\n" + CBOE
    assert_frame_equal(fetch(SOURCES["cboe_vix"], Answer(noted)).frame, frame)


@pytest.mark.parametrize("before", [True, False])
def test_the_workbooks_sheet_is_found_by_its_header(before: bool) -> None:
    body = workbook(("date", "News Sentiment"), (datetime(2024, 1, 1), 0.25), before=before)
    frame = fetch(SOURCES["sffed"], Answer(body)).frame
    assert_frame_equal(frame, values((date(2024, 1, 1), 0.25)))


def test_bounds_are_included_and_the_checks_pass(case: tuple[Make, str, bytes]) -> None:
    make, symbol, body = case
    with serving(Answer(body)) as server:
        whole = make(server.web(), server.address).fetch(symbol)
        day = whole.frame["date"][-1]
        last = make(server.web(), server.address).fetch(symbol, day, day)
        with pytest.raises(SourceError, match="has no row from 1901"):
            make(server.web(), server.address).fetch(symbol, date(1901, 1, 1), date(1901, 2, 1))
    assert checks.check(whole.frame) == ()
    assert_frame_equal(last.frame, whole.frame.tail(1))
    assert last.parameters["start"] == str(day)
    assert whole.parameters["address"] == server.address


def test_a_page_instead_of_data_is_named(case: tuple[Make, str, bytes]) -> None:
    with pytest.raises(SourceError, match="a web page came instead of data"):
        fetch(case, Answer(PAGE, headers={"Content-Type": "text/html"}))


def test_an_unknown_name_is_final(case: tuple[Make, str, bytes]) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        fetch(case, Answer(PAGE, 404), Answer(case[2]))


def test_a_bad_day_is_survived(case: tuple[Make, str, bytes]) -> None:
    body = case[2]
    answers = (Answer(PAGE, 429), Answer(body, cut=5), Answer(PAGE, 500), Answer(body))
    assert_frame_equal(fetch(case, *answers).frame, fetch(case, Answer(body)).frame)


@pytest.mark.parametrize("body", [b"", b"\n", b"busy\n", b"a,b,c\n1,2,3\n", b"PK\x03\x04"])
def test_other_bytes_are_refused_in_one_line(case: tuple[Make, str, bytes], body: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(case, Answer(body))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [1, 7, 200])
def test_a_damaged_workbook_is_refused(cut: int) -> None:
    with pytest.raises(SourceError, match="no workbook"):
        fetch(SOURCES["sffed"], Answer(SFFED[:-cut]))


def test_the_cell_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SourceError, match=r"FRED's DGS10: row 3: .*'3.9x' is no number"):
        fetch(SOURCES["fred"], Answer(FRED.replace(b"3.95", b"3.9x")))
    with pytest.raises(SourceError, match="row 2: 'soon' is no date"):
        fetch(SOURCES["sffed"], Answer(workbook(("date", "News Sentiment"), ("soon", 1.0))))
    low = workbook(("date", "News Sentiment"), (datetime(2024, 1, 1), "low"))
    with pytest.raises(SourceError, match="row 2: 'low' is no number"):
        fetch(SOURCES["sffed"], Answer(low))


def test_a_file_of_one_series_has_no_other() -> None:
    with pytest.raises(SourceError, match="holds VIX, not VVIX"):
        CboeVixSource().fetch("VVIX")
    with pytest.raises(SourceError, match="holds SFFED_NEWS_SENTIMENT, not VIX"):
        SFFedSource().fetch("VIX")


def export(folder: Path, period: str, rows: str, terms: str = "recession: (United States)") -> Path:
    path = folder / "multiTimeline.csv"
    path.write_text(f"Category: All categories\n\n{period},{terms}\n{rows}", encoding="utf-8-sig")
    return path


@pytest.mark.parametrize(
    ("period", "rows", "last_days"),
    [
        ("Day", "2024-02-01,3\n2024-02-02,4\n", (date(2024, 2, 1), date(2024, 2, 2))),
        ("Week", "2024-01-28,3\n2024-02-04,4\n", (date(2024, 2, 3), date(2024, 2, 10))),
        ("Month", "2024-01,3\n2024-02,4\n", (date(2024, 1, 31), date(2024, 2, 29))),
    ],
)
def test_a_value_is_dated_at_the_last_day_that_it_counts(
    tmp_path: Path, period: str, rows: str, last_days: tuple[date, date]
) -> None:
    path = export(tmp_path, period, rows)
    fetched = TrendsSource(path, today=lambda: date(2024, 6, 1)).fetch("GT_RECESSION")
    assert_frame_equal(fetched.frame, values(*zip(last_days, (3.0, 4.0), strict=True)))
    assert fetched.parameters["period"] == period.lower()
    early = TrendsSource(path, today=lambda: last_days[1]).fetch("GT_RECESSION")
    assert_frame_equal(early.frame, fetched.frame.head(1))
    assert early.notes == (f"the last {period.lower()} had not ended and was left out",)


def test_terms_become_symbols_and_small_values_numbers(tmp_path: Path) -> None:
    terms = 'recession: (United States),"stock market crash: (Worldwide)"'
    path = export(tmp_path, "Week", "2024-01-28,<1,30\n2024-02-04,4,100\n", terms)
    source = TrendsSource(path, today=lambda: date(2024, 6, 1))
    assert source.symbols() == ("GT_RECESSION", "GT_STOCK_MARKET_CRASH")
    assert source.fetch("GT_RECESSION").frame["value"].to_list() == [0.5, 4.0]
    assert source.fetch("GT_STOCK_MARKET_CRASH").frame["value"].to_list() == [30.0, 100.0]
    with pytest.raises(SourceError, match="holds GT_RECESSION, GT_STOCK_MARKET_CRASH, not GT_GOLD"):
        source.fetch("GT_GOLD")
    assert symbol_of("S&P 500") == "GT_S_P_500"


@pytest.mark.parametrize("terms", ["gold,gold", "gold: (Japan),Gold: (France)"])
def test_two_terms_of_one_symbol_are_not_mixed_up(tmp_path: Path, terms: str) -> None:
    path = export(tmp_path, "Week", "2024-01-28,1,30\n", terms)
    with pytest.raises(SourceError, match="two terms would be named GT_GOLD"):
        TrendsSource(path).fetch("GT_GOLD")


@pytest.mark.parametrize("text", ["", "Category: All\n", "date,value\n2024-01-01,3\n"])
def test_another_file_is_no_export(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(SourceError, match="no header starting with Day, Week or Month"):
        TrendsSource(path).fetch("GT_RECESSION")
    with pytest.raises(SourceError, match="no file at"):
        TrendsSource(tmp_path / "none.csv").fetch("GT_RECESSION")
