"""A machine that holds run folders and no data: everything that was predicted can be read there."""

import json
from collections.abc import Generator
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from mlxts import files, predict
from mlxts.cli.app import app
from mlxts.errors import DataError
from mlxts.runs import layout, predictions
from mlxts.runs.folder import RunFolder
from tests import homes
from tests.report import worlds
from tests.scaling import worlds as planted


def call(*arguments: str):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A workspace of planted runs whose data have been moved away."""
    path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        homes.simulated(path, patch)
        for folder in worlds.fill():
            worlds.give_scores(folder)
        (path / "data").rename(path / "moved")
    return path


@pytest.fixture(autouse=True)
def inside(home, monkeypatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(home))
    monkeypatch.chdir(home)


def runs() -> list[Path]:
    return sorted(path for path in files.runs_folder().iterdir() if path.is_dir())


def test_a_report_is_written(home) -> None:
    shown = call("report", "--draws", "100", "--json")
    assert shown.exit_code == 0
    assert len(json.loads(shown.stdout)["runs"]) == len(runs())
    assert not (home / "data").exists()


@pytest.mark.parametrize("axis", ["parameters", "history"])
def test_a_verdict_is_reached(home, axis: str) -> None:
    shown = call("scaling", "verdict", "--axis", axis, "--draws", "100", "--json")
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["cells"]
    assert not (home / "data").exists()


def test_what_was_predicted_is_scored_again_as_it_was(home) -> None:
    for folder in runs():
        found = json.loads(call("evaluate", folder.name, "--json").stdout)
        summary = worlds.read(folder, "summary.json")
        assert found["reference"] == summary["reference"]
        assert {name: found[name] for name in summary["scores"]} == summary["scores"]
    assert not (home / "data").exists()


@pytest.fixture
def earlier(home) -> Generator[Path]:
    """A run whose predictions an earlier version wrote, the network's rows alone; data at hand."""
    (home / "moved").rename(home / "data")
    (folder,) = planted.ladder({"0.06M": 0.4}, seeds=1, started="2020")
    path = folder / layout.PREDICTIONS
    own = predictions.read(path).filter(model="patchtst").drop("model", "canonical")
    own.write_parquet(path)
    (folder / layout.REFERENCES).unlink()
    yield folder
    if (home / "data").exists():
        (home / "data").rename(home / "moved")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_an_earlier_versions_predictions_are_made_whole_once(home, earlier, monkeypatch) -> None:
    before = pl.read_parquet(earlier / layout.PREDICTIONS)
    written = predict.read_or_predict(earlier)
    own = written.filter(model="patchtst")
    assert own.select(before.columns).equals(before)
    assert {"har", "linear", "base_rate", "bayes"} < set(written["model"])
    assert own["canonical"].all()
    (home / "data").rename(home / "moved")
    assert predict.read_or_predict(earlier).equals(written)
    assert RunFolder(earlier).references()["SPY"].name in ("har", "linear")


def test_an_earlier_versions_predictions_without_data_are_refused_by_name(home, earlier) -> None:
    (home / "data").rename(home / "moved")
    for command in (("report",), ("scaling", "verdict"), ("evaluate", earlier.name)):
        with pytest.raises(DataError, match=f"{earlier.name} are of an earlier version") as refusal:
            call(*command)
        assert "\n" not in str(refusal.value)
    with pytest.raises(DataError, match=f"mlxts evaluate {earlier.name}"):
        RunFolder(earlier).predictions()


def test_an_earlier_versions_predictions_of_other_rows_are_refused(earlier) -> None:
    path = earlier / layout.PREDICTIONS
    pl.read_parquet(path).with_columns(target=1.0 - pl.col("target")).write_parquet(path)
    with pytest.raises(DataError, match="other rows than its data hold now"):
        predict.read_or_predict(earlier)
