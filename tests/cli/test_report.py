"""`mlxts report` as it is called."""

import json

import pytest
from typer.testing import CliRunner

from mlxts.cli.app import app
from mlxts.errors import RunError, StorageError
from mlxts.evaluation import test_split_log
from mlxts.report import collect
from tests import homes
from tests.report import worlds as reports
from tests.scaling import worlds


def call(*arguments: str):
    return CliRunner().invoke(app, ["report", *arguments], catch_exceptions=False)


@pytest.fixture
def run(tmp_path, monkeypatch):
    homes.simulated(tmp_path, monkeypatch)
    splits = ("train", "validation", "test")
    (folder,) = worlds.ladder({"0.02M": 0.5}, seeds=1, splits=splits)
    return folder


def test_a_report_lands_where_it_is_asked_for_and_says_its_answer(run, tmp_path):
    out = tmp_path / "elsewhere"
    reports.unfinished()
    called = call(run.name, "--out", str(out), "--draws", "50")
    assert (out / "report.html").is_file()
    assert called.stdout.startswith("On validation (exploratory): parameters: not varied")
    assert test_split_log.history() == []


def test_the_summary_lies_beside_it_and_is_opened_where_it_is_asked_for(run, tmp_path, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda uri: opened.append(uri) or len(opened) == 1)
    for arguments in (["--summary", "--open"], ["--open"]):
        called = call(run.name, *arguments, "--out", str(tmp_path / "out"), "--draws", "50")
    summary, page = ((tmp_path / "out" / name) for name in ("summary.html", "report.html"))
    assert opened == [summary.as_uri(), page.as_uri()]
    assert "open that file by hand" in called.stderr  # the second time no browser could be started
    text = summary.read_text(encoding="utf-8")
    assert 'href="report.html"' in text
    assert "<strong>It rests on</strong> 1 run with 1 seed" in text


def test_without_names_it_is_about_all_and_leaves_out_what_is_not_finished(run, tmp_path):
    left = reports.unfinished()
    called = call("--draws", "50", "--json")
    said = json.loads(called.stdout)
    assert said["runs"] == [run.name]
    assert (tmp_path / "outputs" / "results" / "report" / "report.html").is_file()
    assert left.name in called.stderr


def test_a_report_of_the_test_split_is_a_look_on_record(run, tmp_path):
    call(run.name, "--split", "test", "--draws", "50", "--out", str(tmp_path / "out"))
    assert [(look["run"], look["score_on"]) for look in test_split_log.history()] == [
        (run.name, "SPY")
    ]
    assert "evaluated 1 time" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_without_a_record_of_the_look_no_test_row_is_read(run, monkeypatch):
    test_split_log.path().mkdir(parents=True)
    monkeypatch.setattr(collect, "gather", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(StorageError, match="on record"):
        call(run.name, "--split", "test", "--draws", "50")


def test_a_run_that_is_not_there_is_an_error(run):
    with pytest.raises(RunError, match="no run, no folder of runs and no study"):
        call("nobody")


def test_walk_forward_runs_make_a_document_that_prices_what_was_not_run(tmp_path, monkeypatch):
    homes.simulated(tmp_path, monkeypatch)
    overrides = {"data": homes.SETTINGS["data"] | {"walk_forward_window": 1}}
    splits = ("train", "validation", "test")
    folders = worlds.ladder({"0.02M": 0.9, "0.06M": 0.3}, overrides=overrides, splits=splits)
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"sweep": "study_features", "runs": [{"seconds": 7200.0}]}))
    paper = tmp_path / "paper.md"
    names = [folder.name for folder in folders]
    call(*names, "--paper", str(paper), "--plan", str(plan), "--draws", "60")
    assert "**Features:** not run; `study_features` (1 run, at most 2.0 h)." in paper.read_text()
    called = call(*names, "--plan", str(plan), "--draws", "60", "--out", str(tmp_path / "out"))
    assert "Features: not run; `study_features` (1 run, at most 2.0 h)." in called.stdout
    assert called.stdout.startswith("Parameters: ")
