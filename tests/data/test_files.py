import itertools
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mlxts.data import calendar, checks
from mlxts.data.sources import date_text, number_text
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


def fetch(folder: Path, name: str, text: str, encoding: str = "utf-8", **options: Any) -> Fetched:
    path = folder / name
    path.write_text(text, encoding=encoding, newline="")
    return FilesSource(path, **options).fetch("SPY")


@pytest.mark.parametrize("name", VENDORS)
def test_the_way_a_vendor_writes_makes_no_difference(tmp_path: Path, name: str) -> None:
    fetched = fetch(tmp_path, name, VENDORS[name])
    assert_frame_equal(fetched.frame.select(PLAIN.columns), PLAIN)
    assert fetched.frame["adj_close"].null_count() == 3
    assert fetched.frame.select(pl.sum("dividends", "splits")).row(0) == (0.0, 0.0)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_parquet_with_a_zoned_index_keeps_the_session(
    tmp_path: Path, unit: Literal["ms", "us", "ns"]
) -> None:
    stamps = pl.Series([datetime(d.year, d.month, d.day) for d in DAYS])
    zoned = stamps.dt.replace_time_zone("America/New_York").dt.cast_time_unit(unit)
    path = tmp_path / "SPY.parquet"
    PLAIN.with_columns(zoned.alias("Datetime")).drop("date").write_parquet(path)
    assert FilesSource(path).fetch("SPY").frame["date"].to_list() == DAYS


@pytest.mark.parametrize(
    ("scale", "year"),
    [
        *itertools.product((1, 10**3, 10**6, 10**9), (1980, 1999, 2024)),
        *((scale, 1972) for scale in (10**3, 10**6, 10**9)),  # in seconds as long as 19720111
    ],
)
def test_seconds_since_1970_are_read_in_any_unit(scale: int, year: int) -> None:
    days = [day.replace(year=year) for day in DAYS]
    stamps = [int(datetime(d.year, d.month, d.day, 14, 30).timestamp()) * scale for d in days]
    assert date_text.dates(pl.Series("t", stamps)).to_list() == days


@given(first=st.dates(date(1970, 1, 1), date(2060, 1, 1)), count=st.integers(13, 40))
@settings(max_examples=12, deadline=None)
def test_sessions_round_trip_in_every_format(first: date, count: int) -> None:
    """Thirteen sessions reach beyond the 12th of a month, which no month is numbered."""
    days = calendar.sessions(first, first + timedelta(days=80))[:count]
    for fmt in date_text.DATE_FORMATS:
        texts = pl.Series("d", days).dt.strftime(fmt)
        assert date_text.dates(texts).to_list() == days
        assert date_text.dates(texts.reverse()).to_list() == days[::-1]


def test_day_and_month_are_told_apart_by_the_order_of_rows() -> None:
    us = ["03/11/2024", "03/12/2024", "04/01/2024"]
    europe = ["11/03/2024", "12/03/2024", "01/04/2024"]
    assert date_text.dates(pl.Series(us)).to_list() == date_text.dates(pl.Series(europe)).to_list()


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
        "the dates are descending; rows were re-sorted ascending",
    )


def test_disorder_is_left_for_the_checks_to_name(tmp_path: Path) -> None:
    frame = fetch(tmp_path, "a.csv", pl.concat([PLAIN[1], PLAIN[0], PLAIN[2]]).write_csv()).frame
    assert [f.rule for f in checks.errors(checks.check(frame))] == ["order"]


def test_rows_of_one_symbol_are_taken_from_a_file_of_many(tmp_path: Path) -> None:
    many = pl.concat([PLAIN.with_columns(Ticker=pl.lit(s)) for s in ("QQQ", "spy")])
    assert_frame_equal(
        fetch(tmp_path, "a.csv", many.write_csv()).frame.select(PLAIN.columns), PLAIN
    )
    with pytest.raises(SourceError, match=r"no row of SPY .*has DIA.*--as"):
        fetch(tmp_path, "b.csv", PLAIN.with_columns(Ticker=pl.lit("DIA")).write_csv())
    with pytest.raises(SourceError, match=r"no row of SPY .*Name column has DIA"):
        fetch(tmp_path, "c.csv", PLAIN.with_columns(Name=pl.lit("DIA")).write_csv())
    renamed = fetch(tmp_path, "d.csv", many.write_csv(), named="qqq")
    assert renamed.parameters["named"] == "qqq"
    assert renamed.notes == ("this is what the file calls qqq",)


TWO_TICKERS = {
    "fields first": "Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume\n"
    "Ticker,QQQ,SPY,QQQ,SPY,QQQ,SPY,QQQ,SPY,QQQ,SPY\nDate,,,,,,,,,,\n"
    "2024-01-11,,1001,,1002,,999,,1000.5,,1500000\n"
    "2024-01-12,3,1003.5,4,1004,2,1000,3,1001,7,85570000\n"
    "2024-01-16,4,1005,5,1006.25,3,1001,4,1003,8,2000\n",
    "tickers first": "Ticker,SPY,SPY,SPY,SPY,SPY,QQQ,QQQ,QQQ,QQQ,QQQ\n"
    "Price,Close,High,Low,Open,Volume,Close,High,Low,Open,Volume\nDate,,,,,,,,,,\n"
    "2024-01-11,1001,1002,999,1000.5,1500000,,,,,\n"
    "2024-01-12,1003.5,1004,1000,1001,85570000,3,4,2,3,7\n"
    "2024-01-16,1005,1006.25,1001,1003,2000,4,5,3,4,8\n",
}


@pytest.mark.parametrize("name", TWO_TICKERS)
def test_each_of_two_tickers_in_one_table_gets_its_own_columns(tmp_path: Path, name: str) -> None:
    frame = fetch(tmp_path, "two.csv", TWO_TICKERS[name]).frame
    assert_frame_equal(frame.select(PLAIN.columns), PLAIN)
    other = FilesSource(tmp_path / "two.csv").fetch("QQQ").frame
    assert other.select("date", "close", "volume").rows() == [
        (DAYS[1], 3.0, 7.0),
        (DAYS[2], 4.0, 8.0),
    ]
    with pytest.raises(SourceError, match=r"no row of IWM .*has QQQ, SPY"):
        FilesSource(tmp_path / "two.csv").fetch("IWM")


@pytest.mark.parametrize("tickers", [["DIA"], ["DIA", "QQQ"], []])
def test_a_file_is_called_as_its_only_symbol_else_as_itself(
    tmp_path: Path, tickers: list[str]
) -> None:
    path = tmp_path / "mine.csv"
    frames = [PLAIN.with_columns(Symbol=pl.lit(name)) for name in tickers] or [PLAIN]
    pl.concat(frames).write_csv(path)
    assert FilesSource(path).symbol == ("DIA" if tickers == ["DIA"] else "mine")
    assert FilesSource(path, named="x").symbol == "x"


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
    "columns": ("Date,Close\n2024-01-11,1\n", r"open, high, low are missing .*Date, Close"),
    "values hint": ("Date,Close\n2024-01-11,1\n", r"--values"),
    "word": (PLAIN.write_csv().replace("999.0", "n.m."), r"row 1: low 'n\.m\.' is no number"),
    "date": (PLAIN.write_csv().replace("2024-01-12", "soon"), r"row 2: 'soon' is no date"),
    "twice": (PLAIN.with_columns(Close="close").write_csv(), r"close and Close both read as close"),
    "two volumes": (
        PLAIN.with_columns(Vol=pl.col("volume") / 100).write_csv(),
        r"columns volume and Vol both read as volume; keep one",
    ),
    "two closes": (
        PLAIN.with_columns(Last=pl.col("close") + 1).write_csv(),
        r"columns close and Last both read as close; keep one",
    ),
    "two adjusted closes": (
        PLAIN.with_columns(**{"Adj Close": "close", "Adjusted Close": "open"}).write_csv(),
        r"columns Adj Close and Adjusted Close both read as adj_close; keep one",
    ),
    "empty": ("", r"has no rows"),
    "header only": ("date,open,high,low,close,volume\n", r"has no rows"),
    "ragged": (PLAIN.write_csv() + "2024-01-17,1,2,3,4,5,6,7\n", r"row 4 has 8 cells where"),
    "cut off": (
        PLAIN.write_csv() + "2024-01-17,1,2\n",
        r"row 4 has 3 cells where the header has 6",
    ),
    "open quote": (PLAIN.write_csv() + '"2024-01-17,1,2,3,4,5\n', r"cannot be read as a table"),
    "same name": (
        "date,open,high,low,close,close,volume\n2024-01-11,1,2,1,1,2,5\n",
        r"two columns are named close",
    ),
    "percent": (PLAIN.write_csv().replace("999.0", "4.2%"), r"row 1: low '4\.2%' is no number"),
    "two currencies": (
        PLAIN.write_csv().replace("999.0", "$999").replace("1001.0", "€1001"),
        r"column low has amounts in \$ and €",
    ),
    "other mark": (
        PLAIN.write_csv(separator=";").replace("1003.5", "1003,5"),
        r"row 2: close '1003,5' is no number with a decimal point",
    ),
    "unclear": (
        "date;open;high;low;close;volume\n2024-01-11;1.234;2.345;1.111;2.222;56\n",
        r"open, high, low, close: the numbers can be read .* choose with --decimal , or",
    ),
    "unclear volume": (
        "date;open;high;low;close;volume\n2024-01-11;1.2;2.3;1.1;2.2;748.507\n",
        r"volume: the numbers can be read",
    ),
    "a volume that prices say nothing of": (
        "date;open;high;low;close;volume\n2024-01-11;1.5;2.3;1.1;2.2;74,850\n",
        r"volume: the numbers can be read .* choose with --decimal , or",
    ),
    "volume says nothing of prices": (
        "date;open;high;low;close;volume\n2024-01-11;1.234;2.345;1.111;2.222;74,850,700\n",
        r"open, high, low, close: the numbers can be read",
    ),
    "a volume in the other way": (
        "date,open,high,low,close,volume\n2024-01-11,1.234,2.345,1.111,2.222,74.850.700\n",
        r"open, high, low, close: the numbers can be read",
    ),
    "quote in a cell": (PLAIN.write_csv().replace("999.0", '"99"9.0'), r"it is no table"),
    "unclear dates": (
        "date,open,high,low,close,volume\n01/02/2024,1,2,1,1,5\n01/03/2024,1,2,1,1,5\n",
        r"row 1: '01/02/2024' may be 2024-01-02 or 2024-02-01",
    ),
    "year 1": (PLAIN.write_csv().replace("2024-01-12", "0001-01-12"), r"row 2: .* is no date"),
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


NUMBERS = {
    "point": (
        ["2206.16", "1,234.50", "12,345,678", ".5", "7"],
        [2206.16, 1234.5, 12345678, 0.5, 7],
    ),
    "comma": (
        ["2206,16", "1.234,50", "12.345.678", ",5", "7"],
        [2206.16, 1234.5, 12345678, 0.5, 7],
    ),
    "comma without thousands": (["1234,567", "1,234"], [1234.567, 1.234]),
    "point without thousands": (["1234.567", "1.234"], [1234.567, 1.234]),
    "a fraction": (["0,123", "1,234"], [0.123, 1.234]),
    "thousands alone": (["1,234,567", "1,234"], [1234567, 1234]),
    "swiss": (["1'234.5", "1’234’567"], [1234.5, 1234567]),
    "french": (["1\u202f234,5", "1\u00a0234\u00a0567,8"], [1234.5, 1234567.8]),
    "spaces": (["1 234.5", "1 234"], [1234.5, 1234]),
    "indian": (["1,23,456", "12,34,567.5", "9,999"], [123456, 1234567.5, 9999]),
    "suffixes": (["85.57M", "2K", "1.5b"], [85.57e6, 2e3, 1.5e9]),
    "german suffixes": (["85,57M", "2K"], [85.57e6, 2e3]),
    "signs": (["(3.2)", "-3.2", "−3.2", "+3.2", "($1,000.5)"], [-3.2, -3.2, -3.2, 3.2, -1000.5]),
    "exponents": (["1.5e3", "1E-2"], [1500, 0.01]),
    "empty": (["", "-", "n/a", "#N/A", "5"], [None, None, None, None, 5]),
    "euros": (["5,50 €", "€ 1.000,25"], [5.5, 1000.25]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_mark_of_the_decimals_is_found_from_all_rows(name: str) -> None:
    texts, values = NUMBERS[name]
    assert number_text.numbers(pl.Series("x", texts)).to_list() == values


@pytest.mark.parametrize(
    "text",
    ["1 2 3", "1,2,3", "12 34", "1,23,4", "01,234,5", "1_000", "0x10", "inf", "１２", "5-", "--5",
     "1.2bn", "USD 5", "1.234,5.6", "1'23", "5p"],
)  # fmt: skip
def test_what_only_looks_like_a_number_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match=r"row 2: x .* is no number"):
        number_text.numbers(pl.Series("x", ["7", text]))


@pytest.mark.parametrize("text", ["1,234", "1.234", "100,000", "12.345"])
def test_a_number_that_may_be_either_is_asked_for(text: str) -> None:
    column = pl.Series("x", [text, "7"])
    with pytest.raises(SourceError, match="--decimal"):
        number_text.numbers(column)
    digits = text.replace(",", "").replace(".", "")
    whole, fraction = float(digits), float(digits) / 1000
    comma = "," in text
    assert number_text.numbers(column, ".")[0] == (whole if comma else fraction)
    assert number_text.numbers(column, ",")[0] == (fraction if comma else whole)


@given(
    values=st.lists(st.floats(0.01, 1e9).map(lambda v: round(v, 2)), min_size=1, max_size=20),
    style=st.sampled_from([".,", ",.", ". ", ", ", ".'", ",", "."]),
)
@settings(max_examples=60)
def test_two_decimals_are_read_back_whatever_the_style(values: list[float], style: str) -> None:
    mark, apart = style[0], style[1:]
    written = [f"{v:,.2f}".replace(",", "_").replace(".", mark).replace("_", apart) for v in values]
    assert number_text.numbers(pl.Series("x", written)).to_list() == values


@given(values=st.lists(st.integers(0, 10**12), min_size=1, max_size=8), apart=st.sampled_from(",."))
@settings(max_examples=60)
def test_thousands_are_never_taken_for_decimals(values: list[int], apart: str) -> None:
    column = pl.Series("x", [f"{v:,}".replace(",", apart) for v in values])
    try:
        assert number_text.numbers(column).to_list() == values
    except SourceError as error:
        assert "--decimal" in str(error)
        assert max(values) >= 1000


def test_columns_of_a_file_help_each_other(tmp_path: Path) -> None:
    german = "date;open;high;low;close;volume\n2024-01-11;1.234;2.345;1,5;2.222;5.600.000\n"
    fetched = fetch(tmp_path, "de.csv", german)
    assert fetched.frame.row(0)[1:6] == (1234.0, 2345.0, 1.5, 2222.0, 5.6e6)
    assert fetched.notes == ("read with a decimal comma: open, high, low, close, volume",)
    swiss = german.replace("1,5", "1.5").replace("5.600.000", "56,000")
    prices = (1.234, 2.345, 1.5, 2.222)
    told = fetch(tmp_path, "ch.csv", swiss, decimal=".")
    assert told.frame.row(0)[1:6] == (*prices, 56000.0)
    quoted = swiss.replace("56,000", '"56,000"').replace(";", ",")
    assert fetch(tmp_path, "us.csv", quoted).frame.row(0)[1:6] == (*prices, 56000.0)
    told = fetch(tmp_path, "told.csv", german.replace("1,5", "1.5e0", 1).replace("5.600.000", "56"),
                 decimal=".")  # fmt: skip
    assert told.frame["open"][0] == 1.234


def test_cells_that_end_with_a_comma_have_decimals_behind_a_point(tmp_path: Path) -> None:
    text = "date,open,high,low,close,volume\n2024-01-11,1.234,2.345,1.111,2.222,56\n"
    assert fetch(tmp_path, "a.csv", text).frame["open"][0] == 1.234
    quoted = text.replace("1.234", '"1,234"').replace("2.345", '"2,345"')
    assert fetch(tmp_path, "b.csv", quoted).frame["open"][0] == 1234.0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_excels_ways_of_saving_make_no_difference(tmp_path: Path, encoding: str) -> None:
    text = "\n" + PLAIN.with_columns(note=pl.lit("a\nb")).write_csv(separator="\t") + "\n\n"
    frame = fetch(tmp_path, "a.txt", text, encoding=encoding).frame
    assert_frame_equal(frame.select(PLAIN.columns), PLAIN)


STRANGE = {
    "list": pl.Series([[1.0]] * 3),
    "array": pl.Series([[1.0, 2.0]] * 3, dtype=pl.Array(pl.Float64, 2)),
    "binary": pl.Series([b"1"] * 3),
    "duration": pl.Series([timedelta(1)] * 3),
    "struct": pl.Series([{"a": 1}] * 3),
    "boolean": pl.Series([True] * 3),
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("name", ["date", "open", "volume", "adj_close", "symbol"])
def test_a_column_of_another_kind_is_one_line(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "odd.parquet"
    PLAIN.with_columns(STRANGE[kind].alias(name)).write_parquet(path)
    with pytest.raises(SourceError, match=rf"odd\.parquet: column {name} holds .*; convert it"):
        FilesSource(path).fetch("SPY")


@pytest.mark.parametrize("day", [date(1, 1, 1), date(9999, 1, 1)])
def test_a_date_of_another_age_is_no_date_of_a_market(tmp_path: Path, day: date) -> None:
    path = tmp_path / "old.parquet"
    PLAIN.with_columns(date=pl.lit(day)).write_parquet(path)
    with pytest.raises(SourceError, match=rf"row 1: {day}, which is no date of a market"):
        FilesSource(path).fetch("SPY")


@pytest.mark.parametrize("names", ["value,close", "Value,Price"])
def test_a_value_and_a_close_are_two_series(tmp_path: Path, names: str) -> None:
    text = f"date,{names}\n2024-01-11,1,2\n"
    with pytest.raises(SourceError, match=f"{names.replace(',', ' and ')} both read as value"):
        fetch(tmp_path, "v.csv", text, values=True)


def test_a_clock_beside_the_date_and_a_name_beside_the_symbol_are_passed_over(
    tmp_path: Path,
) -> None:
    beside = PLAIN.with_columns(Time=pl.lit("00:00"), Symbol=pl.lit("SPY"), Name=pl.lit("S&P"))
    assert fetch(tmp_path, "a.csv", beside.write_csv()).frame["date"].to_list() == DAYS


def test_damaged_parquet_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    PLAIN.write_parquet(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SourceError, match=r"a\.parquet cannot be read as a table"):
        FilesSource(path).fetch("SPY")

    def panic(*_: object) -> None:
        raise pl.exceptions.PanicException("index out of bounds")

    monkeypatch.setattr(pl, "read_parquet", panic)  # as Polars does with some damage, not with all
    with pytest.raises(SourceError, match=r"a\.parquet .*: the file is damaged"):
        FilesSource(path).fetch("SPY")


@given(
    value=st.floats(-1e12, 1e12),
    symbol=st.sampled_from(["", "$", "€ "]),
    spaces=st.sampled_from(["", " "]),
)
@settings(max_examples=40)
def test_numbers_survive_thousands_and_currencies(value: float, symbol: str, spaces: str) -> None:
    text = f"{spaces}{symbol}{value:,.6f}{spaces}"
    assert number_text.numbers(pl.Series("x", [text]))[0] == float(f"{value:.6f}")
