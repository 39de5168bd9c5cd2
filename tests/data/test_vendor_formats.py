"""Files as vendors export them become the same bars, however they spell, count and order them."""

import csv
import io
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mlxts.data.sources import column_aliases, date_text, headerless
from mlxts.data.sources.base import Fetched
from mlxts.data.sources.files import FilesSource
from mlxts.errors import SourceError

DAYS = [date(2024, 1, day) for day in (11, 12, 16, 17)]
OPEN = [1000.5, 1001.0, 1003.0, 1004.5]
HIGH = [1002.0, 1004.0, 1006.25, 1007.0]
LOW = [999.0, 1000.0, 1001.0, 1002.5]
CLOSE = [1001.0, 1003.5, 1005.0, 1003.25]
VOLUME = [1_500_000.0, 85_570_000.0, 2_000.0, 31_250.0]
BARS = pl.DataFrame(
    {"date": DAYS, "open": OPEN, "high": HIGH, "low": LOW, "close": CLOSE, "volume": VOLUME}
)
ROWS = list(zip(DAYS, OPEN, HIGH, LOW, CLOSE, VOLUME, strict=True))
PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


def lines(form: str, header: str = "", *, newest_first: bool = False, **facts: Any) -> str:
    """A file whose rows are `form`, filled in with a bar's values and what follows from them."""
    rows = [
        form.format(
            d=day, o=o, h=h, l=low, c=c, v=round(v), **facts,
            s=int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()),
        )
        for day, o, h, low, c, v in (ROWS[::-1] if newest_first else ROWS)
    ]  # fmt: skip
    return "\n".join([*([header] if header else []), *rows, ""])


def commas(text: str) -> str:
    """Decimal commas; a point that stays is written as #."""
    return text.replace(".", ",").replace("#", ".")


def german(text: str) -> str:
    return commas(text.replace(",", ";"))


# Written from vendors' documentation: name of the vendor -> what its file holds.
VENDORS: Mapping[str, str] = {
    "Alpha Vantage, daily adjusted": lines(
        "{d},{o},{h},{l},{c},{c},{v},0.0000,1.0",
        "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient",
        newest_first=True,
    ),
    "Polygon, aggregates": lines("{v},1000.1,{o},{c},{h},{l},{s}000,4711", "v,vw,o,c,h,l,t,n"),
    "Polygon, grouped": lines("SPY,{v},1000.1,{o},{c},{h},{l},{s}000,4711", "T,v,vw,o,c,h,l,t,n"),
    "Polygon, flat file": lines(
        "SPY,{v},{o},{c},{h},{l},{s}000000000,4711",
        "ticker,volume,open,close,high,low,window_start,transactions",
    ),
    "Tiingo": lines(
        "{d}T00:00:00.000Z,{c},{h},{l},{o},{v},{c},{h},{l},{o},{v},0.0,1.0",
        "date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,"
        "splitFactor",
    ),
    "Quandl, WIKI": lines(
        "{d},{o},{h},{l},{c},{v},0.0,1.0,{o},{h},{l},{c},{v}",
        "Date,Open,High,Low,Close,Volume,Ex-Dividend,Split Ratio,Adj. Open,Adj. High,Adj. Low,"
        "Adj. Close,Adj. Volume",
    ),
    "Sharadar": lines(
        "SPY,{d},{o},{h},{l},{c},{v},{c},{c},2024-02-01",
        "ticker,date,open,high,low,close,volume,closeadj,closeunadj,lastupdated",
    ),
    "Stooq": lines("{d},{o},{h},{l},{c},{v}", "Date,Open,High,Low,Close,Volume"),
    "Stooq, bulk": lines(
        "SPY,D,{d:%Y%m%d},000000,{o},{h},{l},{c},{v},0",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
    ),
    "Binance, klines": lines("{s}000,{o},{h},{l},{c},{v},{s}999,1.5,11,2.5,3.5,0"),
    "Binance, klines since 2025": lines("{s}000000,{o},{h},{l},{c},{v},{s}999999,1.5,11,2.5,3.5,0"),
    "Binance, klines through pandas": lines(
        "{s}000,{o},{h},{l},{c},{v},{s}999,1.5,11,2.5,3.5,0", "0,1,2,3,4,5,6,7,8,9,10,11"
    ),
    "Binance, with a header": lines(
        "{s}000,{o},{h},{l},{c},{v},{s}999,1.5,11,2.5,3.5,0",
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
        "taker_buy_quote_volume,ignore",
    ),
    "Kraken, OHLCVT": lines("{s},{o},{h},{l},{c},{v},4711"),
    "Bitfinex": lines("{s}000,{o},{c},{h},{l},{v}"),
    "Coinbase, candles": lines("{s},{l},{h},{o},{c},{v}", newest_first=True),
    "Coinbase, with a header": lines("{s},{l},{h},{o},{c},{v}", "time,low,high,open,close,volume"),
    "CryptoDataDownload": "https://www.CryptoDataDownload.com\n"
    + lines(
        "{s}000,{d} 00:00:00,SPYUSDT,{o},{h},{l},{c},1.25,{v},7",
        "Unix,Date,Symbol,Open,High,Low,Close,Volume USDT,Volume SPY,tradecount",
        newest_first=True,
    ),
    "TradingView": lines("{s},{o},{h},{l},{c},{v}", "time,open,high,low,close,Volume"),
    "MetaTrader 5": lines(
        "{d:%Y.%m.%d}\t{o}\t{h}\t{l}\t{c}\t77\t{v}\t1",
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
    ),
    "MetaTrader 4": lines("{d:%Y.%m.%d},00:00,{o},{h},{l},{c},{v}"),
    "Interactive Brokers": lines(
        "{d:%Y%m%d},{o},{h},{l},{c},{v},1000.2,4711",
        "date,open,high,low,close,volume,average,barCount",
    ),
    "Databento, decimal prices": lines(
        "{d}T00:00:00.000000000Z,35,1,{o},{h},{l},{c},{v},SPY",
        "ts_event,rtype,publisher_id,open,high,low,close,volume,symbol",
    ),
    "Norgate": lines(
        "{d:%Y%m%d},{o},{h},{l},{c},{v},1.5e9,{c},0",
        "Date,Open,High,Low,Close,Volume,Turnover,Unadjusted Close,Dividend",
    ),
    "Wall Street Journal": lines(
        "{d:%m/%d/%y}, {o}, {h}, {l}, {c}, {v}",
        "Date, Open, High, Low, Close, Volume",
        newest_first=True,
    ),
    "GOOGLEFINANCE": lines(
        "{d:%m/%d/%Y} 16:00:00,{o},{h},{l},{c},{v}", "Date,Open,High,Low,Close,Volume"
    ),
    "GOOGLEFINANCE, German": german(
        lines("{d:%d#%m#%Y} 16:00:00,{o},{h},{l},{c},{v}", "Date,Open,High,Low,Close,Volume")
    ),
    "Yahoo, German": german(
        lines(
            "{d:%d#%m#%Y},{o},{h},{l},{c},{c},{v}",
            "Datum,Offen,Hoch,Niedrig,Schlusskurs*,Bereinigter Schlusskurs**,Volumen",
            newest_first=True,
        )
    ),
    "Yahoo, German, copied": german(
        lines(
            "{d:%d#} Jan# {d:%Y},{o},{h},{l},{c},{c},{v}",
            "Datum,Eröffnung,Hoch,Tief,Schluss,Adj# Schlusskurs,Volumen",
        )
    ),
    "ariva.de": german(
        lines(
            "{d},{o},{h},{l},{c},{v},9999999", "Datum,Erster,Hoch,Tief,Schlusskurs,Stuecke,Volumen"
        )
    ),
    "Investing.com, German": commas(
        lines(
            '"{d:%d#%m#%Y}","{c}","{o}","{h}","{l}","{v}","0,1%"',
            '"Datum","Zuletzt","Eröffn#","Hoch","Tief","Vol#","+/- %"',
            newest_first=True,
        )
    ),
    "Investing.com, French": commas(
        lines(
            '"{d:%d/%m/%Y}","{c}","{o}","{h}","{l}","{v}","0,1%"',
            '"Date","Dernier","Ouv#"," Plus Haut","Plus Bas","Vol#","Variation %"',
            newest_first=True,
        )
    ),
    "Investing.com, Spanish": commas(
        lines(
            '"{d:%d#%m#%Y}","{c}","{o}","{h}","{l}","{v}","0,1%"',
            '"Fecha","Último","Apertura","Máximo","Mínimo","Vol#","% var#"',
            newest_first=True,
        )
    ),
    "Yahoo, French": lines(
        "{d:%d} janv. {d:%Y};{o};{h};{l};{c};{c};{v}",
        "Date;Ouverture;Élevé;Faible;Clôture;Clôture ajustée;Volume",
    ),
    "Yahoo, Spanish": lines(
        "{d:%d} ene {d:%Y};{o};{h};{l};{c};{c};{v}",
        "Fecha;Abrir;Máx.;Mín.;Cerrar;Cierre ajustado;Volumen",
    ),
    "an export with a clock": lines(
        "{d:%Y%m%d}160000,{o},{h},{l},{c},{v}", "Date,Open,High,Low,Close,Volume"
    ),
    "two assets, a column of a name of its own": lines(
        "{d},SPY,{o},{h},{l},{c},{v}\n{d},QQQ,1,1,1,1,1", "date,fund,open,high,low,close,volume"
    ),
}


def test_what_stands_below_a_table_is_passed_over_and_said(tmp_path: Path) -> None:
    bars = lines("{d},{o},{h},{l},{c},{v}", "Time,Open,High,Low,Last,Volume")
    text = f'{bars}"Downloaded from Barchart.com as of 01-02-2024 05:00am CST"\n'
    fetched = fetch(tmp_path, text)
    assert_frame_equal(fetched.frame.select(BARS.columns), BARS)
    assert any("Downloaded from Barchart" in note for note in fetched.notes)
    with pytest.raises(SourceError, match="row 5 has 1 cells"):
        fetch(tmp_path, f"{bars}2024-01-1\n")


def test_umlauts_of_windows_are_read(tmp_path: Path) -> None:
    text = VENDORS["Yahoo, German, copied"]
    (tmp_path / "SPY.csv").write_bytes(text.encode("cp1252"))
    frame = FilesSource(tmp_path / "SPY.csv").fetch("SPY").frame
    assert_frame_equal(frame.select(BARS.columns), BARS)


def fetch(folder: Path, text: str, symbol: str = "SPY", **options: Any) -> Fetched:
    path = folder / "export.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return FilesSource(path, **options).fetch(symbol)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendors_file_is_read_without_help(tmp_path: Path, vendor: str) -> None:
    symbol = "SPYUSDT" if vendor == "CryptoDataDownload" else "SPY"
    fetched = fetch(tmp_path, VENDORS[vendor], symbol)
    assert_frame_equal(fetched.frame.select(BARS.columns), BARS)


SPELLED = {
    ours: [s for group in column_aliases.SPELLINGS[ours] for s in group if s]
    for ours in ("date", "open", "high", "low", "close", "volume")
}


@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_spelling_unit_and_mark_gives_the_same_bars(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any accepted name, date format or epoch, decimal mark, separator and order of columns."""
    names = {ours: data.draw(st.sampled_from(spelled)) for ours, spelled in SPELLED.items()}
    order = data.draw(st.permutations(list(names)))
    separator = data.draw(st.sampled_from([",", ";", "\t", "|"]))
    mark = data.draw(st.sampled_from([".", ","]))
    form = data.draw(st.sampled_from([*date_text.DATE_FORMATS, *PER_SECOND]))
    cased = data.draw(st.sampled_from([str, str.upper, str.title]))

    def cell(ours: str, value: Any) -> str:
        if ours != "date":
            return f"{value:.2f}".replace(".", mark)
        if form not in PER_SECOND:
            return value.strftime(form)
        moment = datetime(value.year, value.month, value.day, 14, 30, tzinfo=UTC)
        return str(int(moment.timestamp()) * PER_SECOND[form])

    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(cased(names[ours]) if len(names[ours]) > 1 else names[ours] for ours in order)
    for row in BARS.iter_rows(named=True):
        writer.writerow(cell(ours, row[ours]) for ours in order)
    fetched = fetch(tmp_path_factory.mktemp("any"), text.getvalue())
    assert_frame_equal(fetched.frame.select(BARS.columns), BARS)
    assert any(form in note for note in fetched.notes) == (form in PER_SECOND)


@pytest.mark.parametrize("shape", headerless.SHAPES)
def test_a_shape_is_told_from_every_other_and_said(tmp_path: Path, shape: str) -> None:
    width, ours = headerless.SHAPES[shape]
    position = {name: place for place, name in enumerate(BARS.columns)}
    blank = "00:00" if shape.startswith("MetaTrader") else "1000.25"
    text = "\n".join(
        ",".join(
            str(row[position[name]]) if name else blank
            for name in (*ours, *[""] * (width - len(ours)))
        )
        for row in ROWS
    )
    fetched = fetch(tmp_path, text)
    columns = [name for name in BARS.columns if name in ours]
    assert_frame_equal(fetched.frame.select(columns), BARS.select(columns))
    assert any(f"by its shape read as {shape} (date=1, " in note for note in fetched.notes)


def test_columns_that_the_user_names_win_over_their_spelling(tmp_path: Path) -> None:
    text = lines("{s},{d},{o},{h},{l},0,{c},1,{v}", "id,when,o,h,l,close,final,volume,shares")
    named = {"date": "when", "close": "final", "volume": "shares"}
    fetched = fetch(tmp_path, text, columns=named)
    assert_frame_equal(fetched.frame.select(BARS.columns), BARS)
    assert fetched.parameters["columns"]["close"] == "final"
    positions = dict(zip(("date", "open", "high", "low", "close", "volume"), "652341", strict=True))
    bare = lines("{v},{h},{l},{c},{o},{d}")
    read = fetch(tmp_path, bare, columns=positions | {"open": "5", "high": "2", "low": "3"})
    assert_frame_equal(read.frame.select(BARS.columns), BARS)


REFUSED = {
    "a column that is not there": (
        lines("{d},{o},{h},{l},{c},{v}", "date,open,high,low,close,volume"), {"close": "final"},
        r"--columns close=final: no column is named so \(found: date, open",
    ),
    "a name that is none of ours": (
        lines("{d},{o},{h},{l},{c},{v}", "date,open,high,low,close,volume"), {"price": "close"},
        r"--columns price=close: price is none of date, open",
    ),
    "no shape that is known": (
        lines("{o},{h},{l},{c},{d}"), {}, r"no header, and with 5 columns .* --columns date=1,open",
    ),
    "several assets": (
        lines("{d},QQQ,1,1,1,1,1\n{d},DIA,1,1,1,1,1", "date,fund,open,high,low,close,volume"), {},
        r"no row of SPY \(its fund column has DIA, QQQ\); choose one of these with --symbol",
    ),
    "several assets, none asked for": (
        lines("{d},QQQ,1,1,1,1,1\n{d},DIA,1,1,1,1,1", "date,fund,open,high,low,close,volume"), {},
        r": its fund column has DIA, QQQ; choose one with --symbol$",
    ),
    "another listing": (
        lines("SPY.US,{d},{o},{h},{l},{c},{v}", "ticker,date,open,high,low,close,volume"), {},
        r"no row of SPY \(its ticker column has SPY\.US\); .* and --as SPY to store it",
    ),
    "volumes of two units": (
        lines("{d},{o},{h},{l},{c},{v},{v}", "date,open,high,low,close,Volume ETH,Volume EUR"), {},
        r"columns Volume ETH and Volume EUR both read as volume; .* --columns volume='Volume ETH'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_understood_is_one_line_that_says_what_to_do(tmp_path: Path, kind: str) -> None:
    text, named, message = REFUSED[kind]
    symbol = "export" if kind.endswith("none asked for") else "SPY"
    with pytest.raises(SourceError, match=message) as caught:
        fetch(tmp_path, text, symbol, columns=named)
    assert "\n" not in str(caught.value)


def test_a_file_without_a_volume_has_none_and_says_so(tmp_path: Path) -> None:
    fetched = fetch(tmp_path, lines("{d},{o},{h},{l},{c}", "Date,Open,High,Low,Close"))
    assert fetched.frame["volume"].null_count() == len(DAYS)
    assert any(note.startswith("no volume among its columns (Date, Open") for note in fetched.notes)


def test_milliseconds_and_microseconds_in_one_file_are_told_by_their_digits() -> None:
    stamps = [int(datetime(d.year, d.month, d.day, tzinfo=UTC).timestamp() * 1000) for d in DAYS]
    column = pl.Series("t", [*map(str, stamps[:2]), *(f"{stamp}000" for stamp in stamps[2:])])
    read = date_text.read(column)
    assert (read.days.to_list(), read.epochs) == (DAYS, ("milliseconds", "microseconds"))
