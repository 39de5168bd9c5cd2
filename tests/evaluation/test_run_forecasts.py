"""What a model says over several runs: origins joined, seeds averaged, assets together."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from mlxts.cli import compare, evaluate
from mlxts.data import store
from mlxts.errors import ConfigError, DataError, RunError
from mlxts.evaluation.run_forecasts import REFERENCE, of_runs
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK
from mlxts.simulation.source import SimulatedSource
from tests import homes
from tests.scaling import worlds

SPLITS = ("train", "validation", "test")
FIRST = date(2015, 1, 2)
app = typer.Typer()
app.command()(evaluate.evaluate)
app.command()(compare.compare)


def called(*arguments):
    shown = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    return json.loads(shown.stdout)


def data(window: int | None) -> dict:
    return {**homes.SETTINGS["data"], "symbols": ["QQQ", "SPY"], "walk_forward_window": window}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two seeds at two origins and on the fixed splits, of two assets; and another size."""
    with pytest.MonkeyPatch.context() as patch:
        homes.simulated(tmp_path_factory.mktemp("home"), patch, first=FIRST)
        other = SimulatedSource("sv", first=date(2016, 1, 4), last=date(2025, 3, 31)).fetch("QQQ")
        store.register_raw(
            other.frame, source="simulated", symbol="QQQ", parameters=other.parameters
        )
        yield {
            window: worlds.ladder(
                {"0.02M": 0.5, "0.06M": 0.1},
                overrides={"data": data(window)},
                splits=SPLITS if window else SPLITS[:2],
            )
            for window in (None, 1, 2)
        }


@pytest.fixture(autouse=True)
def home(folders, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(folders[1][0].resolve().parents[2]))


def network(folder, split):
    return RunFolder(folder).predictions().filter(model=NETWORK, split=split)


def test_the_windows_of_all_origins_are_joined(folders):
    small = [folders[2][0], folders[1][0]]
    joined = of_runs(small, "test")
    whole = pl.concat(network(folder, "test") for folder in small).sort("date", "symbol")
    assert joined["date"].to_list() == whole["date"].to_list()
    assert joined["logit"].to_list() == whole["logit"].to_list()
    assert joined["date"].dt.year().unique().sort().to_list() == [2021, 2022, 2023, 2024]


def test_seeds_are_averaged_where_that_is_asked_for_alone(folders):
    seeds = folders[1][:2]
    with pytest.raises(RunError, match="2 seeds; name one, or compare their mean"):
        of_runs(seeds, "test")
    mean = of_runs(seeds, "test", mean_of_seeds=True)
    each = [network(folder, "test").sort("date", "symbol")["logit"] for folder in seeds]
    assert np.allclose(mean["logit"], (each[0] + each[1]) / 2, rtol=1e-12)
    with pytest.raises(DataError, match="not all of these runs predict"):
        of_runs([*seeds, folders[2][0]], "test", mean_of_seeds=True)


def test_runs_that_differ_in_more_than_seed_and_origin_are_no_one_model(folders):
    with pytest.raises(RunError, match="differ in more than seed and origin"):
        of_runs([folders[1][0], folders[1][2]], "test", mean_of_seeds=True)
    with pytest.raises(RunError, match="train the run again"):
        of_runs([folders[None][0]], "walk-forward")
    with pytest.raises(RunError, match="--split test` opens it"):
        of_runs([folders[None][0]], "test")


def test_the_reference_is_that_of_each_asset_and_counts_once(folders):
    found = of_runs(folders[1], "test", REFERENCE)
    chosen = RunFolder(folders[1][0]).references()
    rows = RunFolder(folders[1][0]).predictions()
    for symbol in ("SPY", "QQQ"):
        own = rows.filter(split="test", symbol=symbol, model=chosen[symbol].name).sort("date")
        said = found.filter(symbol=symbol).sort("date")
        assert said["logit"].to_list() == own["logit"].to_list()


def test_a_file_is_scored_over_the_windows_of_runs_and_on_every_asset_that_it_names(
    folders, tmp_path
):
    walked, several = tmp_path / "walked", tmp_path / "several"
    walked.mkdir()
    several.mkdir()
    for folder in (*folders[1], *folders[2]):
        (several / folder.name).symlink_to(folder.resolve())
    for window in (1, 2):
        (walked / folders[window][0].name).symlink_to(folders[window][0].resolve())
    whole = of_runs([folders[2][0], folders[1][0]], "test")
    noise = np.random.default_rng(0).normal(scale=0.1, size=whole.height)
    path = tmp_path / "mine.parquet"
    whole.select("date", "symbol", pl.col("logit") + noise).write_parquet(path)
    asked = ("--predictions", path, "--split", "walk-forward")
    found = called("evaluate", walked, *asked)
    assert set(found["paired"]) == {"SPY", "mean of 2 assets"}
    assert "patchtst" in found["walk-forward"]
    of_two_sizes = called("evaluate", several, *asked)
    assert of_two_sizes["paired"] == found["paired"]
    assert "patchtst" not in of_two_sizes["walk-forward"]
    assert found["paired"]["mean of 2 assets"]["dates"] == whole["date"].n_unique()
    compared = called("compare", path, f"{walked}:reference")
    assert compared["differences"] == found["paired"]
    assert compared["split"] == "walk-forward"
    own = called("compare", walked, f"{walked}:har", "--assets")
    assert set(own["assets"]) == {"QQQ", "SPY"}
    with pytest.raises(ConfigError, match="compared on their windows"):
        called("compare", walked, f"{walked}:har", "--split", "test")


def test_runs_of_the_fixed_splits_and_of_origins_are_not_compared(folders):
    with pytest.raises(RunError, match="one is a walk-forward run and one is not"):
        called("compare", folders[None][0], folders[1][0])
