"""`mlxts data cell`, `sources` and `download --cell`, against a web server on this machine."""

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlxts.data import store
from mlxts.data.sources import cboe_vix, fred, http, sffed
from tests.cli.test_data import bars, refused, run, workspace
from tests.data.server import Answer, serving
from tests.data.test_online_sources import CBOE, FRED, SFFED

__all__ = ["bars", "workspace"]


def have(symbol: str, frame: pl.DataFrame, folder: Path) -> None:
    path = folder / f"{symbol}.csv"
    frame.write_csv(path)
    run("import", path)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(http.Web.__init__, "__defaults__", _without_waiting())


def _without_waiting() -> tuple[object, ...]:
    defaults = http.Web.__init__.__defaults__
    assert defaults is not None
    return (*defaults[:2], lambda seconds: None, *defaults[3:])


def test_a_cell_says_what_it_needs_and_what_is_here(bars: pl.DataFrame, tmp_path: Path) -> None:
    have("SPY", bars, tmp_path)
    told = json.loads(run("cell", "Cb", "--json")[0])
    assert told["missing"] == ["DIA", "QQQ", "SFFED_NEWS_SENTIMENT"]
    assert [need["id"] for need in told["needs"]] == ["SPY", *told["missing"]]
    assert told["needs"][0]["artifact"]["rows"] == bars.height
    assert told["needs"][0]["coverage"] is None
    by_scale = {row["timescale"]: row for row in told["decisions"]}
    assert by_scale["daily"] == {
        "timescale": "daily", "days": bars.height - 79, "without": 0, "share": 0.0,
    }  # fmt: skip
    out, notes = run("cell", "Cb")
    assert "missing (sffed)" in out
    assert "missing: DIA, QQQ, SFFED_NEWS_SENTIMENT; try `mlxts data download --cell Cb`" in notes
    assert "'E' is no cell" in str(refused("cell", "E"))


def test_a_cell_fetches_what_is_not_here(
    bars: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have("SPY", bars, tmp_path)
    with serving(Answer(b"", 503), Answer(SFFED)) as one, serving(Answer(CBOE)) as other:
        monkeypatch.setattr(sffed.SFFedSource, "ADDRESS", one.address)
        monkeypatch.setattr(cboe_vix.CboeVixSource, "ADDRESS", other.address)
        out, notes = run("download", "--cell", "Ac")
        assert [line.split(":")[0] for line in out.splitlines()] == [
            "sffed/SFFED_NEWS_SENTIMENT", "cboe_vix/VIX",
        ]  # fmt: skip
        assert "the server answers 503" in notes
        assert "are stored; --refresh" in run("download", "--cell", "Ac")[0]
        assert json.loads(run("download", "--cell", "Ac", "--json")[0]) == {
            "schema": 2, "artifacts": [], "errors": [],
        }  # fmt: skip
        assert (len(one.asked), len(other.asked)) == (2, 1)


def test_a_cell_that_stays_incomplete_says_what_is_missing(
    bars: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Searches cannot be downloaded, and the rest arrives all the same."""
    have("SPY", bars, tmp_path)
    with serving(Answer(SFFED)) as one, serving(Answer(b"gone", 404)) as other:
        monkeypatch.setattr(sffed.SFFedSource, "ADDRESS", one.address)
        monkeypatch.setattr(cboe_vix.CboeVixSource, "ADDRESS", other.address)
        assert str(refused("download", "--cell", "Ad")).startswith("3 of 4 could not be stored")
    assert json.loads(run("cell", "Ad", "--json")[0])["missing"] == [
        "VIX", "GT_RECESSION", "GT_INFLATION",
    ]  # fmt: skip
    exported = tmp_path / "multiTimeline.csv"
    week = date(2020, 1, 5)
    rows = "\n".join(f"{week + timedelta(7 * n)},{n},{n + 1}" for n in range(9))
    exported.write_text(f"Category: All\n\nWeek,recession: (US),inflation: (US)\n{rows}\n")
    run("import", exported, "--trends")
    assert json.loads(run("cell", "Ad", "--json")[0])["missing"] == ["VIX"]
    artifact = store.raw_artifacts()[-1]
    assert (artifact.dataset, artifact.first) == ("trends_csv/GT_INFLATION", date(2020, 1, 11))


def test_series_are_downloaded_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Answer(FRED)) as server:
        monkeypatch.setattr(fred.FredSource, "ADDRESS", server.address)
        out, notes = run("download", "--source", "fred", "dgs10", "DGS2")
    assert server.asked == ["/file?id=DGS10", "/file?id=DGS2"]
    assert "fred/DGS10: 3 rows, 2023-12-29 to 2024-01-04" in out
    assert "DGS2: 2 dates without a value were left out" in notes


def test_either_symbols_or_a_cell_are_downloaded() -> None:
    assert "name symbols, or a cell" in str(refused("download"))
    assert "name symbols, or a cell" in str(refused("download", "SPY", "--cell", "Cb"))


def test_the_sources_are_listed_and_written(tmp_path: Path) -> None:
    told = {one["id"]: one for one in json.loads(run("sources", "--json")[0])["series"]}
    assert told["CPIAUCSL"]["lag_days"] == 55
    assert told["CPIAUCSL"]["late"][0]["lag_days"] == 100
    assert "CPIAUCSL" in run("sources")[0]
    target = tmp_path / "docs" / "x.md"
    out, _ = run("sources", "--write", "--output", target)
    assert out.strip() == str(target)
    assert target.read_text(encoding="utf-8").startswith("# Data sources\n")
