"""Walk-forward runs in the ledger: all origins of a model are one run, on windows it foresaw."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from mlxts import protocol, split_borders
from mlxts.cli.scaling import scaling
from mlxts.config.loading import build_config
from mlxts.dataset.build import build_dataset
from mlxts.errors import ConfigError, RunError
from mlxts.evaluation import test_split_log
from mlxts.scaling import axes, ledger, verdict, walk_forward_ledger
from tests import homes
from tests.scaling import worlds

BLURS = {"0.02M": 1.2, "0.06M": 0.8, "0.2M": 0.3}
SPLITS = ("train", "validation", "test")


def at(origin: int) -> dict:
    return {
        "name": f"small-origin-{origin}",
        "data": {**homes.SETTINGS["data"], "walk_forward_window": origin},
    }


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        homes.simulated(tmp_path_factory.mktemp("home"), patch, first=date(2013, 1, 2))
        yield {n: worlds.ladder(BLURS, overrides=at(n), splits=SPLITS) for n in (1, 2, 3)}


@pytest.fixture(autouse=True)
def home(folders, monkeypatch):
    path = folders[1][0].resolve().parents[2]
    monkeypatch.setenv("MLXTS_HOME", str(path))
    return path


@pytest.fixture(scope="module")
def joined(folders):
    return walk_forward_ledger.join([folder for own in folders.values() for folder in own])


def call(*arguments: str):
    app = typer.Typer()
    app.add_typer(scaling, name="scaling")
    return CliRunner().invoke(app, ["scaling", *arguments], catch_exceptions=False)


def test_a_model_is_one_run_over_the_windows_of_all_its_origins(folders, joined):
    assert joined.schema == ledger.SCHEMA
    assert joined["run"].n_unique() == len(BLURS) * 2
    assert not joined.select("run", "date").is_duplicated().any()
    for _, rows in joined.group_by("budget", "seed"):
        dates = rows["date"].sort()
        for number in (1, 2, 3):
            first, last = split_borders.borders("protocol", number).test
            assert dates.is_between(first, last).sum() > 400
        assert (dates[0] >= split_borders.borders("protocol", 3).test[0]) and rows.height > 1400
        assert dates[-1] < protocol.SPLITS["protocol"].test[0]
    assert set(joined["split"]) == {walk_forward_ledger.SPLIT}
    assert set(joined["name"]) == {"small"}


def test_losses_and_baselines_are_those_of_each_origin(folders, joined):
    for number, own in folders.items():
        alone = ledger.build(own[:1], split="test").sort("date")
        rows = joined.filter(
            pl.col("date").is_in(alone["date"].implode()), budget="0.02M", seed=0
        ).sort("date")
        for name in ("date", "target", "loss", "loss_har", "loss_prior", "canonical"):
            assert rows[name].equals(alone[name]), (number, name)


def test_sizes_are_told_over_all_origins(folders, joined):
    alone = [ledger.runs(ledger.build(own[:1], split="test")) for own in folders.values()]
    one = ledger.runs(joined).filter(budget="0.02M", seed=0)
    assert one["flops"].item() == sum(rows["flops"].item() for rows in alone)
    assert one["tokens"].item() == sum(rows["tokens"].item() for rows in alone)
    assert one["samples"].item() == round(np.mean([rows["samples"].item() for rows in alone]))


def test_a_verdict_is_reached_on_the_windows_together(joined):
    (table,) = axes.tables(joined, "parameters")
    assert len(table.dates) > 1400
    assert table.seeds.tolist() == [2, 2, 2]
    found = verdict.judge([table], draws=200)
    assert found.cells[0].word == verdict.SCALING
    (one,) = axes.tables(ledger.build(_planted(1), split="test"), "parameters")
    alone = verdict.judge([one], draws=200)
    width = np.diff(found.cells[0].interval), np.diff(alone.cells[0].interval)
    assert width[0] < width[1]


def _planted(number: int):
    data = build_dataset(build_config(homes.SETTINGS | at(number)))
    return [
        worlds.run_folder(
            data, build_config(homes.SETTINGS | at(number) | own), blur, splits=SPLITS
        )
        for budget, blur in BLURS.items()
        for own in ({"budget": budget, "seed": 0}, {"budget": budget, "seed": 1})
    ]


def test_an_origin_that_one_model_lacks_counts_for_none(folders):
    found = walk_forward_ledger.join([*folders[1], *folders[2][:-1]])
    only = walk_forward_ledger.join(folders[1])
    assert found["date"].n_unique() == only["date"].n_unique()
    apart = [*folders[1][:2], *folders[2][2:]]
    with pytest.raises(RunError, match="at the same ones"):
        walk_forward_ledger.join(apart)


def test_runs_of_the_fixed_splits_are_refused(folders):
    fixed = worlds.ladder({"0.02M": 1.0}, seeds=1, splits=SPLITS)
    with pytest.raises(RunError, match="is of no origin"):
        walk_forward_ledger.join([*folders[1], *fixed])


def test_the_command_judges_them_and_looks_at_no_test_split(folders, home):
    worlds.ladder({"0.02M": 1.0}, seeds=1, splits=SPLITS, started="2031")  # left out
    shown = call("verdict", "--split", "walk-forward", "--draws", "200")
    assert "scaling" in shown.stdout.splitlines()[-1]
    record = json.loads((home / "outputs/results/scaling/verdict-parameters.json").read_text())
    assert record["split"] == "walk-forward"
    assert record["cells"][0]["dates"] > 1400
    assert test_split_log.history() == []
    without = json.loads(call("ledger", "--json").stdout)["runs"]
    assert without
    assert all(row["dates"] < 600 for row in without)  # of the fixed splits alone
    with pytest.raises(ConfigError, match="leave --split out"):
        call("verdict", "--split", "walk-forward", "--replicate")


def test_a_seed_at_fewer_origins_is_of_no_other_history(folders):
    partial = [one for one in folders[3] if "-s1-" not in one.name]
    joined = walk_forward_ledger.join([*folders[1], *folders[2], *partial], alike=False)
    assert joined["samples"].n_unique() == 1
    (table,) = axes.tables(joined, "parameters")
    assert (len(table.rungs), set(table.seeds)) == (3, {2})
    with pytest.raises(RunError, match="no two runs differ in training samples"):
        axes.tables(joined, "history")
