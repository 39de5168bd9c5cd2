"""`evaluate`, `baselines` and `runs` on a run that was really trained, small as it is."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from mlxts import predict
from mlxts.baselines.registry import ALL, BASELINES, STANDARD
from mlxts.cli import evaluate, runs
from mlxts.data import store
from mlxts.errors import ConfigError, DataError, EmptySplitError, RunError, StorageError
from mlxts.evaluation import test_split_log
from mlxts.runs import layout, predictions
from mlxts.runs.folder import RunFolder
from mlxts.simulation.source import SimulatedSource
from tests import homes

app = typer.Typer()
for command in (evaluate.evaluate, evaluate.baselines, runs.runs):
    app.command()(command)

FIRST = date(2019, 1, 2)


def call(*arguments: str):
    """Run a command; an error it raises is raised here too."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The folder of a finished run in a workspace of its own."""
    with pytest.MonkeyPatch.context() as patch:
        homes.simulated(tmp_path_factory.mktemp("home"), patch, FIRST, date(2025, 6, 30))
        return homes.trained()


@pytest.fixture(autouse=True)
def workspace(trained, monkeypatch) -> Path:
    home = trained.parents[2]
    monkeypatch.setenv("MLXTS_HOME", str(home))
    return home


def test_evaluate_repeats_what_the_training_concluded(trained):
    found = json.loads(call("evaluate", trained.name, "--json").stdout)
    summary = json.loads((trained / "summary.json").read_text())
    assert set(found["validation"]) == {"patchtst", "bayes", *STANDARD}
    assert set(found.pop("details")) == {"reliability", "operating_points", "chosen_on"}
    assert found.pop("schema") == 2
    assert found.pop("reference") == summary["reference"]
    assert found == summary["scores"]
    low, high = found["validation"]["patchtst"]["interval"]["auc"]
    assert low <= found["validation"]["patchtst"]["auc"] <= high


def test_evaluate_ends_in_the_verdict_and_says_that_it_is_exploratory(trained):
    shown = call("evaluate", trained.name[:12]).stdout
    assert "(exploratory)" in shown
    assert "Reliability of patchtst" in shown
    assert "Operating points of patchtst" in shown
    last = shown.strip().splitlines()[-1]
    summary = json.loads((trained / "summary.json").read_text())
    assert last == summary["verdict"]


def test_newer_bars_do_not_change_what_a_run_is_scored_on(trained):
    before = json.loads(call("evaluate", trained.name, "--json").stdout)
    bars = SimulatedSource("sv", first=FIRST, last=date(2025, 7, 31)).fetch("SPY")
    store.register_raw(bars.frame, source="simulated", symbol="SPY", parameters=bars.parameters)
    assert json.loads(call("evaluate", trained.name, "--json").stdout) == before


def test_the_test_split_is_opened_on_record_only(trained):
    before = RunFolder(trained).predictions()
    assert "test" not in before["split"]
    for count in (1, 2):
        shown = call("evaluate", trained.name, "--split", "test", "--json")
        assert f"test-set evaluation {count}" in shown.stderr
        found = json.loads(shown.stdout)
        assert set(found["test"]) == {"patchtst", "bayes", *STANDARD}
        mended = found["details"]["recalibrated"]
        assert mended["as it is"]["log_loss"] == found["test"]["patchtst"]["log_loss"]
    assert [look["run"] for look in test_split_log.history()] == [trained.name] * 2
    after = RunFolder(trained).predictions()
    assert after.filter(pl.col("split") != "test").equals(before)
    assert (after.filter(split="test")["date"] >= date(2025, 1, 1)).all()


def test_the_test_split_is_not_predicted_before_the_look_is_on_record(
    trained, tmp_path, monkeypatch
):
    ledger, found = tmp_path / "new" / "looks.jsonl", []
    monkeypatch.setattr(test_split_log, "path", lambda: ledger)

    def fails(*_, **__) -> None:
        found.append([look["run"] for look in test_split_log.history()])
        raise DataError("the prediction fails half-way")

    written = trained / layout.PREDICTIONS
    predictions.write(written, predictions.read(written).filter(pl.col("split") != "test"))
    monkeypatch.setattr(predict, "predict_split", fails)
    with pytest.raises(DataError, match="half-way"):
        call("evaluate", trained.name, "--split", "test")
    assert found == [[trained.name]]
    ledger.unlink()
    ledger.mkdir()
    with pytest.raises(StorageError, match="on record"):
        call("evaluate", trained.name, "--split", "test")
    assert len(found) == 1


def test_baselines_need_no_run(workspace):
    found = json.loads(call("baselines", str(workspace / "small.yaml"), "--json").stdout)
    assert set(found["validation"]) == {"bayes", *ALL}
    assert found["validation"]["har"]["n"] == 501
    for name, figures in found["validation"].items():
        assert not figures["better_than_oracle"]
        if name != "har":
            low, high = figures["interval"]["log_loss_difference"]
            assert low <= figures["log_loss_difference"] <= high


def test_one_baseline_may_be_asked_for_and_the_slow_ones_are_named(workspace):
    asked = ("baselines", str(workspace / "small.yaml"))
    shown = call(*asked, "--only", "mlp", "--set", "horizon=2", "--json")
    assert set(json.loads(shown.stdout)["validation"]) == {"bayes", "mlp", *BASELINES}
    with pytest.raises(ConfigError, match="none of base_rate_by_volatility"):
        call(*asked, "--only", "patchtst")
    assert "mlp, dlinear; --all" in call(*asked).stderr


def test_baselines_never_open_the_test_split(workspace):
    before = test_split_log.history()
    with pytest.raises(ConfigError, match="evaluate RUN --split test"):
        call("baselines", str(workspace / "small.yaml"), "--split", "test")
    assert test_split_log.history() == before


def test_baselines_show_how_to_read_them(workspace):
    shown = call("baselines", str(workspace / "small.yaml"))
    assert "base_rate_by_volatility" in shown.stdout
    assert "block-bootstrap" in shown.stderr


def test_runs_lists_the_run(trained):
    (row,) = json.loads(call("runs", "--json").stdout)["runs"]
    assert (row["run_id"], row["budget"], row["mode"]) == (trained.name, "0.02M", "exploratory")
    assert row["n_total"] == pytest.approx(20_000, rel=0.01)
    said = {"beats": "beats", "loses": "loses to", "not significantly different": "not signific"}
    assert row["verdict"] in said
    assert row["reference"] in ("har", "linear")
    shown = call("runs").stdout
    assert said[row["verdict"]] in shown
    assert "small (exploratory)" in shown
    assert trained.name in shown


def test_no_runs_are_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    assert json.loads(call("runs", "--json").stdout) == {"schema": 2, "runs": []}
    assert "mlxts demo" in call("runs").stderr


def test_an_unknown_run_is_one_line(workspace):
    with pytest.raises(RunError, match="nothing is no run"):
        call("evaluate", "nothing")


def test_a_run_without_predictions_says_what_to_do(trained, tmp_path):
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "run.json").write_text((trained / "run.json").read_text())
    with pytest.raises(DataError, match="train the run to its end"):
        call("evaluate", str(unfinished))


def test_a_test_split_without_data_costs_no_look(tmp_path, monkeypatch):
    homes.simulated(tmp_path, monkeypatch, FIRST, date(2024, 12, 31))
    run = homes.trained()
    with pytest.raises(EmptySplitError, match="no sample of SPY"):
        call("evaluate", run.name, "--split", "test")
    assert test_split_log.history() == []
