"""`evaluate --predictions` and `compare` on forecasts that a program outside has made."""

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from mlxts.cli import compare, evaluate
from mlxts.data import calendar, store
from mlxts.errors import ConfigError, DataError, RunError
from mlxts.evaluation import test_split_log
from mlxts.runs.folder import RunFolder
from tests import homes

app = typer.Typer()
app.command()(evaluate.evaluate)
app.command()(compare.compare)

# What somebody else would write, who knows the bars and the rule of the task and nothing of mlxts.
SCRIPT = """
import sys
import numpy as np, polars as pl
from sklearn.linear_model import LogisticRegression

bars = pl.read_parquet(sys.argv[1]).sort("date")
touched = (bars["high"].shift(-1) >= bars["close"] * 1.01).fill_null(False).to_numpy()
spans = (bars["high"] / bars["low"]).log()
inputs = np.log(np.stack([spans.rolling_mean(n, min_samples=1) for n in (1, 5, 22)], axis=1))
years = bars["date"].dt.year().to_numpy()
model = LogisticRegression().fit(inputs[years < 2023], touched[years < 2023])
probability = model.predict_proba(inputs)[:, 1]
bars.select("date", symbol=pl.lit("SPY"), probability=pl.Series(probability)).filter(
    pl.col("date").dt.year() >= 2023
).write_csv(sys.argv[2])
"""


def call(*arguments: str | Path):
    """Run a command; an error it raises is raised here too."""
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def called(*arguments: str | Path):
    return json.loads(call(*arguments, "--json").stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A workspace with one finished run, its configuration, and forecasts made by the script."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        homes.simulated(home, patch, first=date(2015, 1, 2), last=date(2025, 6, 30))
        homes.trained()
        (bars,) = store.raw_artifacts()
        subprocess.run(
            [sys.executable, "-c", SCRIPT, home / bars.path, home / "theirs.csv"], check=True
        )
    return home


@pytest.fixture(autouse=True)
def workspace(home, monkeypatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(home))


@pytest.fixture
def run(home) -> str:
    (folder,) = (home / "outputs" / "runs").iterdir()
    return folder.name


@pytest.fixture
def theirs(home) -> pl.DataFrame:
    """The script's forecasts, of 2023 and later."""
    return pl.read_csv(home / "theirs.csv", try_parse_dates=True)


def targets(run: str, home: Path) -> pl.DataFrame:
    rows = RunFolder(home / "outputs" / "runs" / run).predictions()
    return rows.filter(model="har", split="validation").sort("date")


def test_forecasts_of_scikit_learn_are_scored_beside_the_references(home, run):
    found = called("evaluate", run, "--predictions", home / "theirs.csv")
    scores = found["validation"]
    assert {"theirs.csv", "har", "linear", "patchtst", "bayes"} <= set(scores)
    rows = targets(run, home)
    mine = rows.join(
        pl.read_csv(home / "theirs.csv", try_parse_dates=True), on=("date", "symbol")
    ).sort("date")
    said, happened = mine["probability"].to_numpy(), mine["target"].to_numpy()
    loss = -np.mean(np.where(happened > 0.5, np.log(said), np.log(1.0 - said)))
    assert scores["theirs.csv"]["log_loss"] == pytest.approx(loss, rel=1e-9)
    assert scores["theirs.csv"]["n"] == rows.height == scores["har"]["n"]
    # It is the same regression as HAR, written by somebody else.
    assert scores["theirs.csv"]["log_loss"] == pytest.approx(scores["har"]["log_loss"], abs=0.002)
    assert found["suspicions"] == []
    low, high = scores["theirs.csv"]["interval"]["log_loss_difference"]
    assert low <= scores["theirs.csv"]["log_loss_difference"] <= high
    paired = found["paired"]["SPY"]
    difference = scores["theirs.csv"]["log_loss_difference"]
    assert paired["difference"] == pytest.approx(difference, abs=1e-12)
    assert paired["smallest_detectable"] > 0.0
    others = called("evaluate", run)["validation"]
    assert {name: scores[name] for name in others} == others


def test_a_configuration_serves_as_well_as_a_run(home, run):
    beside_run = called("evaluate", run, "--predictions", home / "theirs.csv")
    found = called("evaluate", home / "small.yaml", "--predictions", home / "theirs.csv")
    assert "patchtst" not in found["validation"]
    for model, figures in found["validation"].items():
        expected = beside_run["validation"][model]
        assert figures["log_loss"] == pytest.approx(expected["log_loss"], rel=1e-9), model


def test_walk_forward_windows_are_scored_with_references_of_their_own(home, tmp_path, theirs):
    days = calendar.sessions(date(2021, 1, 1), date(2024, 12, 31))
    table = pl.DataFrame({"date": days, "probability": np.linspace(0.2, 0.4, len(days))})
    table.write_parquet(tmp_path / "walk.parquet")
    asked = ("--predictions", tmp_path / "walk.parquet", "--split", "walk-forward")
    found = called("evaluate", home / "small.yaml", *asked, "--windows", "2")
    assert found["walk-forward"]["walk.parquet"]["n"] > 950
    assert found["paired"]["SPY"]["dates"] == found["walk-forward"]["har"]["n"]


def test_what_is_shown_ends_in_the_verdict_and_says_what_could_not_be_seen(home, run):
    shown = call("evaluate", run, "--predictions", home / "theirs.csv")
    assert "theirs.csv" in shown.stdout
    assert "would have been seen" in shown.stdout.strip().splitlines()[-1]
    assert "cannot be seen in a file" in shown.stderr
    assert "Not scored" in shown.stderr  # those of 2025


def test_the_test_split_is_opened_on_record(home, run):
    before = len(test_split_log.history())
    asked = ("--predictions", home / "theirs.csv", "--split", "test")
    shown = call("evaluate", home / "small.yaml", *asked, "--json")
    assert f"test-set evaluation {before + 1}" in shown.stderr
    assert json.loads(shown.stdout)["test"]["theirs.csv"]["n"] > 100
    assert test_split_log.history()[-1]["run"].startswith("theirs.csv (")


def test_a_file_that_is_refused_costs_no_look(home, tmp_path, theirs):
    before = test_split_log.history()
    theirs.with_columns(pl.col("probability") * 100).write_csv(tmp_path / "bad.csv")
    asked = ("--predictions", tmp_path / "bad.csv", "--split", "test")
    with pytest.raises(DataError, match="divide by 100"):
        call("evaluate", home / "small.yaml", *asked)
    assert test_split_log.history() == before


def at(days: pl.Series, hour: str, ahead: int = 0) -> list[str]:
    return [f"{day + timedelta(days=ahead)}T{hour}" for day in days]


BAD = {
    "lacks 501 of the 501 scored dates of SPY": lambda t: t.filter(pl.col("date").dt.year() > 2024),
    "lacks 1 of the 501": lambda t: t.filter(pl.col("date") != date(2023, 6, 1)),
    "several forecasts for 2023-01-03": lambda t: pl.concat([t, t.head(1)]),
    "names QQQ, which is not scored here; those that are: SPY": lambda t: pl.concat(
        [t, t.with_columns(symbol=pl.lit("QQQ"))]
    ),
    "Saturday 2023-01-07, which is no trading day": lambda t: pl.concat(
        [t, t.head(1).with_columns(date=date(2023, 1, 7))]
    ),
    "percentages, divide by 100": lambda t: t.with_columns(pl.col("probability") * 100),
    "lies outside of 0 to 1; name the column logit": lambda t: t.with_columns(
        pl.col("probability") - 0.5
    ),
    "exactly 0 or 1": lambda t: t.with_columns(pl.col("probability").round()),
    "both probability and logit": lambda t: t.with_columns(logit=0.0),
    "no finite number": lambda t: t.with_columns(
        probability=pl.when(pl.col("date") == date(2023, 6, 1))
        .then(float("nan"))
        .otherwise("probability")
    ),
    "probability is empty in row": lambda t: t.with_columns(
        probability=pl.when(pl.col("date") != date(2023, 6, 1)).then("probability")
    ),
    "no column probability or logit": lambda t: t.rename({"probability": "score"}),
    "need; it has date, symbol, value": lambda t: t.rename({"probability": "value"}),
    "no column date": lambda t: t.rename({"date": "day"}),
    "has no row": lambda t: t.head(0),
    "is no date; write": lambda t: t.with_columns(date=pl.lit("3. Januar")),
    "has a time of day": lambda t: t.with_columns(date=pl.Series(at(t["date"], "16:00"))),
    "made_at 2023-01-04, after what it forecasts began": lambda t: t.with_columns(
        made_at=pl.col("date").dt.offset_by("1d")
    ),
    "as_of 2023-01-04T09:30": lambda t: t.with_columns(as_of=pl.Series(at(t["date"], "09:30", 1))),
    "made_at 'soon' in row 1 is no moment": lambda t: t.with_columns(made_at=pl.lit("soon")),
    "it forecasts something else": lambda t: t.with_columns(target=0.5),
}


@pytest.mark.parametrize("message", BAD)
def test_a_file_that_cannot_be_scored_is_refused_in_one_line(home, tmp_path, theirs, run, message):
    BAD[message](theirs).write_csv(tmp_path / "bad.csv")
    with pytest.raises(DataError) as caught:
        call("evaluate", run, "--predictions", tmp_path / "bad.csv")
    assert message in str(caught.value)
    assert "bad.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_was_made_in_time_is_accepted_whatever_clock_it_was_written_by(
    home, tmp_path, theirs, run
):
    for name, moments in {
        "evening": at(theirs["date"], "18:00"),
        "morning": at(theirs["date"], "09:29-04:00", 1),
        "utc": at(theirs["date"], "13:29+00:00", 1),
        "day": [str(day) for day in theirs["date"]],
    }.items():
        theirs.with_columns(made_at=pl.Series(moments)).write_parquet(tmp_path / f"{name}.parquet")
        found = called("evaluate", run, "--predictions", tmp_path / f"{name}.parquet")
        assert found["file"]["dated_by"] == "made_at", name


def test_a_column_of_targets_may_stand_beside_them(home, tmp_path, theirs, run):
    happened = targets(run, home).select("date", "target")
    theirs.join(happened, on="date").write_csv(tmp_path / "with.csv")
    found = called("evaluate", run, "--predictions", tmp_path / "with.csv")
    assert found["file"]["rows"] == happened.height


def written(path: Path, table: pl.DataFrame, values: np.ndarray) -> Path:
    table.select("date", "symbol").with_columns(logit=pl.Series(values)).write_csv(path)
    return path


def test_the_next_days_forecasts_are_suspected_and_claim_nothing(home, tmp_path, run):
    rows = targets(run, home)
    early = rows["logit"].shift(-1).fill_null(strategy="forward").to_numpy()
    path = written(tmp_path / "leak.csv", rows, early)
    found = called("evaluate", run, "--predictions", path)
    assert any("knows days after the date" in one["reason"] for one in found["suspicions"])
    assert found["validation"]["leak.csv"]["verdict"] == "not estimable"
    shown = call("evaluate", run, "--predictions", path).stdout
    assert "look-ahead is suspected in leak.csv" in shown.strip().splitlines()[-1]


def test_training_rows_and_windows_of_a_run_are_no_split_of_a_file(home, run):
    with pytest.raises(ConfigError, match="validation, test or walk-forward"):
        call("evaluate", run, "--predictions", home / "theirs.csv", "--split", "train")
    with pytest.raises(ConfigError, match="mlxts walk-forward RUN"):
        call("evaluate", run, "--split", "walk-forward")
    with pytest.raises(RunError, match="is of no origin"):
        call("evaluate", run, "--predictions", home / "theirs.csv", "--split", "walk-forward")


def test_a_run_is_compared_with_one_of_its_references(home, run):
    found = called("compare", run, f"{run}:har", "--assets")
    scores = called("evaluate", run)["validation"]
    expected = scores["patchtst"]["log_loss_difference_har"]
    assert found["differences"]["SPY"]["difference"] == pytest.approx(expected, abs=1e-12)
    assert found["assets"] == found["differences"]
    assert (found["b"], found["unpaired_rows"]) == (f"{run}:har", 0)
    shown = call("compare", run, f"{run}:har")
    assert "would have been seen with 80 % power" in shown.stdout.strip().splitlines()[-1]


def test_a_file_is_compared_with_a_run_and_with_another_file(home, tmp_path, theirs, run):
    half = theirs.filter(pl.col("date").dt.year() == 2023)
    half.with_columns(pl.col("probability") * 0.9).write_csv(tmp_path / "half.csv")
    found = called("compare", home / "theirs.csv", f"{run}:reference")
    paired = called("evaluate", run, "--predictions", home / "theirs.csv")["paired"]
    assert found["differences"] == paired
    found = called("compare", tmp_path / "half.csv", home / "theirs.csv", "--on", run)
    assert found["differences"]["SPY"]["dates"] == half.height
    assert found["unpaired_rows"] == 501 - half.height
    with pytest.raises(ConfigError, match="--on RUN"):
        call("compare", tmp_path / "half.csv", home / "theirs.csv")


def test_what_cannot_be_compared_is_said(home, run):
    with pytest.raises(RunError, match="no predictions of arima; it has those of patchtst"):
        call("compare", run, f"{run}:arima")
    with pytest.raises(RunError, match="nothing is no run"):
        call("compare", run, "nothing")
    with pytest.raises(ConfigError, match="on the fixed splits"):
        call("compare", run, f"{run}:har", "--split", "walk-forward")


def test_comparing_on_test_needs_an_opened_split_and_is_recorded(home, run):
    call("evaluate", run, "--split", "test")
    before = len(test_split_log.history())
    found = called("compare", run, f"{run}:har", "--split", "test")
    assert found["split"] == "test"
    assert [look["run"] for look in test_split_log.history()[before:]] == [
        f"{run} compared with {run}:har"
    ]
