from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mlxts.data import calendar, checks
from mlxts.data.sources import number_text, spellings
from mlxts.data.sources.base import Fetched
from mlxts.data.sources.files import FilesSource
from mlxts.errors import SourceError

DAYS = [date(2024, 1, 11), date(2024, 1, 12), date(2024, 1, 16)]
PLAIN = pl.DataFrame(
    {
        "date": DAYS,
        "open": [1000.5, 1001.0, 1003.0],
        "high": [1002.0, 1004.0, 1006.25],
        "low": [999.0, 1000.0, 1001.0],
        "close": [1001.0, 1003.5, 1005.0],
        "volume": [1_500_000.0, 85_570_000.0, 2_000.0],
    }
)
VENDORS = {
    "plain.csv": PLAIN.write_csv(),
    "excel.csv": "\ufeffDATE;OPEN;HIGH;LOW;CLOSE;VOLUME\r\n"
    "2024/01/11;1000.5;1002;999;1001;1500000\r\n"
    "2024/01/12;1001;1004;1000;1003.5;85570000\r\n"
    "2024/01/16;1003;1006.25;1001;1005;2000\r\n",
    "us_dollars.csv": "Date,Close/Last,Volume,Open,High,Low\n"
    '01/16/2024,"$1,005.00",2000,"$1,003","$1,006.25","$1,001"\n'
    '01/12/2024,"$1,003.50",85570000,"$1,001","$1,004","$1,000"\n'
    '01/11/2024,"$1,001.00",1500000,"$1,000.5","$1,002",$999\n',
    "suffixes.csv": '"Date","Price","Open","High","Low","Vol.","Change %"\n'
    '"Jan 16, 2024","1,005.00","1,003.00","1,006.25","1,001.00","2.00K","0.1%"\n'
    '"Jan 12, 2024","1,003.50","1,001.00","1,004.00","1,000.00","85.57M","0.2%"\n'
    '"Jan 11, 2024","1,001.00","1,000.50","1,002.00","999.00","1.5M","-0.1%"\n',
    "numbered.csv": "timestamp,1. open,2. high,3. low,4. close,5. volume\n"
    "2024-01-11,1000.5,1002,999,1001,1500000\n2024-01-12,1001,1004,1000,1003.5,85570000\n"
    "2024-01-16,1003,1006.25,1001,1005,2000\n",
    "zoned.csv": "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n"
    "2024-01-11 00:00:00-05:00,1000.5,1002,999,1001,1500000,0.0,0.0\n"
    "2024-01-12 00:00:00-05:00,1001,1004,1000,1003.5,85570000,0.0,0.0\n"
    "2024-01-16 00:00:00-05:00,1003,1006.25,1001,1005,2000,0.0,0.0\n",
    "two_headers.csv": "Price,Close,High,Low,Open,Volume\nTicker,SPY,SPY,SPY,SPY,SPY\nDate,,,,,\n"
    "2024-01-11,1001,1002,999,1000.5,1500000\n2024-01-12,1003.5,1004,1000,1001,85570000\n"
    "2024-01-16,1005,1006.25,1001,1003,2000\n",
    "compact.tsv": "t\tignored\tdate\topen\thigh\tlow\tclose\tvolume\n"
    "a\t\t20240111\t1000.5\t1002\t999\t1001\t1500000\n"
    "b\t\t20240112\t1001\t1004\t1000\t1003.5\t85570000\n"
    "c\t\t20240116\t1003\t1006.25\t1001\t1005\t2000\n",
}


def fetch(folder: Path, name: str, text: str, **options: bool) -> Fetched:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return FilesSource(path, **options).fetch("SPY")


@pytest.mark.parametrize("name", VENDORS)
def test_the_way_a_vendor_writes_makes_no_difference(tmp_path: Path, name: str) -> None:
    fetched = fetch(tmp_path, name, VENDORS[name])
    assert_frame_equal(fetched.frame.select(PLAIN.columns), PLAIN)
    assert fetched.frame["adj_close"].null_count() == 3
    assert fetched.frame.select(pl.sum("dividends", "splits")).row(0) == (0.0, 0.0)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_parquet_with_a_zoned_index_keeps_the_session(tmp_path: Path, unit: str) -> None:
    stamps = pl.Series([datetime(d.year, d.month, d.day) for d in DAYS])
    zoned = stamps.dt.replace_time_zone("America/New_York").dt.cast_time_unit(unit)
    path = tmp_path / "SPY.parquet"
    PLAIN.with_columns(zoned.alias("Datetime")).drop("date").write_parquet(path)
    assert FilesSource(path).fetch("SPY").frame["date"].to_list() == DAYS


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
def test_seconds_since_1970_are_read_in_any_unit(scale: int) -> None:
    stamps = [int(datetime(d.year, d.month, d.day, 14, 30).timestamp()) * scale for d in DAYS]
    assert spellings.dates(pl.Series("t", stamps)).to_list() == DAYS


@given(first=st.dates(date(1970, 1, 1), date(2060, 1, 1)), count=st.integers(13, 40))
@settings(max_examples=12, deadline=None)
def test_sessions_round_trip_in_every_format(first: date, count: int) -> None:
    """Thirteen sessions reach beyond the 12th of a month, which no month is numbered."""
    days = calendar.sessions(first, first + timedelta(days=80))[:count]
    for fmt in spellings.DATE_FORMATS:
        texts = pl.Series("d", days).dt.strftime(fmt)
        assert spellings.dates(texts).to_list() == days
        assert spellings.dates(texts.reverse()).to_list() == days[::-1]


def test_day_and_month_are_told_apart_by_the_order_of_rows() -> None:
    us = ["03/11/2024", "03/12/2024", "04/01/2024"]
    europe = ["11/03/2024", "12/03/2024", "01/04/2024"]
    assert spellings.dates(pl.Series(us)).to_list() == spellings.dates(pl.Series(europe)).to_list()


def test_adjusted_closes_dividends_and_splits_are_found(tmp_path: Path) -> None:
    text = (
        "Date,Open,High,Low,Close,Adj Close,Volume,7. dividend amount,8. split coefficient\n"
        "2024-01-11,1,2,1,1,0.9,5,0.0,1.0\n2024-01-12,1,2,1,1,1.0,5,0.25,2.0\n"
    )
    frame = fetch(tmp_path, "a.csv", text).frame
    assert frame["adj_close"].to_list() == [0.9, 1.0]
    assert frame["dividends"].to_list() == [0.0, 0.25]
    assert frame["splits"].to_list() == [0.0, 2.0]


def test_a_file_from_new_to_old_is_turned_around_and_said(tmp_path: Path) -> None:
    assert fetch(tmp_path, "a.csv", VENDORS["us_dollars.csv"]).notes == (
        "the file runs from new to old; its rows were turned around",
    )


def test_disorder_is_left_for_the_checks_to_name(tmp_path: Path) -> None:
    frame = fetch(tmp_path, "a.csv", pl.concat([PLAIN[1], PLAIN[0], PLAIN[2]]).write_csv()).frame
    assert [f.rule for f in checks.errors(checks.check(frame))] == ["order"]


def test_rows_of_one_symbol_are_taken_from_a_file_of_many(tmp_path: Path) -> None:
    many = pl.concat([PLAIN.with_columns(Ticker=pl.lit(s)) for s in ("QQQ", "spy")])
    assert_frame_equal(
        fetch(tmp_path, "a.csv", many.write_csv()).frame.select(PLAIN.columns), PLAIN
    )
    with pytest.raises(SourceError, match=r"no row of SPY .*has DIA"):
        fetch(tmp_path, "b.csv", PLAIN.with_columns(Ticker=pl.lit("DIA")).write_csv())


def test_values_are_a_date_and_one_number(tmp_path: Path) -> None:
    text = "observation_date,VIXCLS\n2024-01-11,12.5\n2024-01-15,.\n2024-01-16,13.25\n"
    fetched = fetch(tmp_path, "a.csv", text, values=True)
    assert fetched.frame.to_dict(as_series=False) == {
        "date": [DAYS[0], DAYS[2]],
        "value": [12.5, 13.25],
    }
    assert fetched.notes == ("1 dates without a value were left out",)
    closes = fetch(tmp_path, "b.csv", PLAIN.write_csv(), values=True).frame
    assert closes["value"].to_list() == PLAIN["close"].to_list()


BAD = {
    "columns": ("Date,Close\n2024-01-11,1\n", r"open, high, low, volume are missing .*Date, Close"),
    "values hint": ("Date,Close\n2024-01-11,1\n", r"--values"),
    "word": (PLAIN.write_csv().replace("999.0", "n.m."), r"row 1: low 'n\.m\.' is no number"),
    "date": (PLAIN.write_csv().replace("2024-01-12", "soon"), r"row 2: 'soon' is no date"),
    "twice": (PLAIN.with_columns(Close="close").write_csv(), r"close and Close both read as close"),
    "empty": ("", r"has no rows"),
    "header only": ("date,open,high,low,close,volume\n", r"has no rows"),
    "ragged": (PLAIN.write_csv() + "2024-01-17,1,2,3,4,5,6,7\n", r"cannot be read as a table"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, name: str) -> None:
    text, message = BAD[name]
    with pytest.raises(SourceError, match=message) as caught:
        fetch(tmp_path, "bad.csv", text)
    assert "bad.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no file at .*missing\.csv"):
        FilesSource(tmp_path / "missing.csv").fetch("SPY")
    with pytest.raises(SourceError, match="neither CSV nor Parquet"):
        FilesSource(tmp_path / "a.xlsx").fetch("SPY")
    (tmp_path / "fake.parquet").write_text("date,close\n")
    with pytest.raises(SourceError, match="cannot be read as a table"):
        FilesSource(tmp_path / "fake.parquet").fetch("SPY")
    (tmp_path / "binary.csv").write_bytes(b"\x81\xff\x00\xfe" * 40)
    with pytest.raises(SourceError, match="cannot be read as a table"):
        FilesSource(tmp_path / "binary.csv").fetch("SPY")


@given(
    value=st.floats(-1e12, 1e12),
    symbol=st.sampled_from(["", "$", "€ "]),
    spaces=st.sampled_from(["", " "]),
)
@settings(max_examples=40)
def test_numbers_survive_thousands_and_currencies(value: float, symbol: str, spaces: str) -> None:
    text = f"{spaces}{symbol}{value:,.6f}{spaces}"
    assert number_text.numbers(pl.Series("x", [text]))[0] == float(f"{value:.6f}")
