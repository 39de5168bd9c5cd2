"""Files that reports read or replace, damaged: one line that names them."""

import json
from pathlib import Path

import pytest

from mlxts import files
from mlxts.errors import DataError, RunError
from mlxts.report import page, paper, sensitivity_figure

BAD = ("{", "[]", "null", "\x00")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("text", [*BAD, "{}", '{"files": []}', '{"files": {"a": 1}}'])
def test_the_record_of_the_report_before(tmp_path: Path, text: str) -> None:
    (tmp_path / page.RECORD).write_text(text)
    with pytest.raises(RunError, match=r"report\.json is damaged"):
        page._delete_old_files(tmp_path, [])


@pytest.mark.parametrize("text", [*BAD, "{}", '{"main": []}'])
def test_the_figures_of_a_paper(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(RunError, match=r"results\.json is damaged.*name the finished runs"):
        paper.rewrite(tmp_path / "results.md")


def test_a_figure_of_a_paper_that_is_no_number(tmp_path: Path) -> None:
    row = {"task": "direction", "symbol": "SPY", "timescale": "daily", "loss": "0.5"}
    whole = {key: [] for key in ("seeds", "ablations", "along", "walk_forward")} | {
        "split": "validation", "span": "", "draws": 50, "main": [row],
        "provenance": {"runs": [], "machines": [], "code": [], "data": []},
    }  # fmt: skip
    (tmp_path / "results.json").write_text(json.dumps(whole))
    with pytest.raises(RunError, match=r"loss: '0\.5' is no number"):
        paper.rewrite(tmp_path / "results.md")


@pytest.mark.parametrize("text", [*BAD, '{"sensitivity": {"rows": [{}]}}', '{"sensitivity": 3}'])
def test_a_benchmarks_record(text: str) -> None:
    path = files.outputs_folder() / "results" / "benchmarks" / "2026-01-01.json"
    files.write_text(path, text)
    with pytest.raises(DataError, match=r"2026-01-01\.json is damaged.*delete it"):
        sensitivity_figure.newest()
