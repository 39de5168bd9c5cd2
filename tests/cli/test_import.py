"""`mlxts data import` of one's own files: their calendar, and a look before they are stored."""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mlxts.cli.data import data
from mlxts.data import store
from mlxts.errors import DataError

EVERY_DAY = [date(2022, 1, 1) + timedelta(n) for n in range(400)]
MARKETS = {
    "crypto": EVERY_DAY,
    "Tel Aviv": [day for day in EVERY_DAY if day.isoweekday() in (7, 1, 2, 3, 4)],
    "thin": [EVERY_DAY[n] for n in np.random.default_rng(0).integers(2, 9, 75).cumsum()],
    "weekly": EVERY_DAY[::7],
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def csv(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    days = MARKETS[request.param]
    close = 100 * np.exp(np.random.default_rng(1).normal(0, 0.01, len(days)).cumsum())
    frame = pl.DataFrame({"date": days, "open": close, "high": close, "low": close, "close": close})
    path = tmp_path / "X.csv"
    frame.with_columns(volume=pl.lit(1.0)).write_csv(path)
    return path


def run(*arguments: object) -> tuple[str, str]:
    result = CliRunner().invoke(data, ["import", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout, result.stderr


@pytest.mark.parametrize("csv", ["crypto"], indirect=True)
def test_a_market_that_never_closes_is_not_told_about_new_york(csv: Path) -> None:
    _, told = run(csv)
    assert told.splitlines() == [
        "X: it trades on days on which New York does not; give --calendar 24/7 if it trades every "
        "day, else --calendar none"
    ]
    assert run(csv, "--calendar", "24/7")[1] == ""
    assert store.find("X", ["files"]).days_of == "24/7"
    assert run(csv)[1] == "", "what is imported again keeps its calendar"
    assert run(csv, "--calendar", "nyse")[1] == told


@pytest.mark.parametrize("csv", ["crypto"], indirect=True)
def test_a_day_that_such_a_market_lacks_is_named(csv: Path) -> None:
    pl.read_csv(csv).filter(pl.col("date") != "2022-05-08").write_csv(csv)
    told = run(csv, "--calendar", "24/7")[1]
    assert "X: warning (1 gap)" in told
    assert "1 day has no bar (2022-05-08)" in told


@pytest.mark.parametrize("csv", ["Tel Aviv", "thin"], indirect=True)
def test_a_market_of_other_days_is_refused_unless_one_insists(csv: Path, home: Path) -> None:
    with pytest.raises(DataError, match="give --calendar none"):
        run(csv)
    assert not list(home.rglob("*.parquet"))
    assert run(csv, "--calendar", "none")[1] == ""
    assert store.find("X", ["files"]).days_of == "none"


@pytest.mark.parametrize("csv", ["weekly"], indirect=True)
@pytest.mark.parametrize("calendar", ["NYSE", "24/7", "none"])
def test_weekly_bars_are_refused_under_every_calendar(csv: Path, calendar: str) -> None:
    with pytest.raises(DataError, match="so they are weekly"):
        run(csv, "--calendar", calendar)


@pytest.mark.parametrize("csv", ["crypto"], indirect=True)
def test_a_dry_run_shows_what_was_understood_and_writes_nothing(csv: Path, home: Path) -> None:
    out, told = run(csv, "--dry-run", "--columns", "close=open,open=close", "--calendar", "24/7")
    lines = [line.split() for line in out.splitlines()]
    assert ["│", "close", "│", "open", "│", "0", "│"] in lines
    for day in (*EVERY_DAY[:3], *EVERY_DAY[-3:]):
        assert any(str(day) in line for line in lines)
    assert "X: checked with calendar 24/7: nothing to report" in out
    assert told == "" and not home.exists()
    shown = json.loads(run(csv, "--dry-run", "--json")[0])["imports"][0]
    assert shown["rows"] == 400 and len(shown["findings"]) > 100
    assert not home.exists()


@pytest.mark.parametrize("csv", ["Tel Aviv"], indirect=True)
def test_a_dry_run_refuses_what_an_import_would(csv: Path, home: Path) -> None:
    with pytest.raises(DataError, match="nothing was stored"):
        run(csv, "--dry-run")
    assert not home.exists()
