"""The ledger says of every run and date what its predictions say, and nothing of its own."""

import copy
import json
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlxts.config import renamed_keys
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.data import store
from mlxts.errors import DataError, RunError
from mlxts.evaluation.metrics import Forecast
from mlxts.runs import layout, predictions
from mlxts.runs.folder import RunFolder
from mlxts.scaling import axes, ledger, verdict
from mlxts.simulation.source import SimulatedSource
from tests import homes
from tests.scaling import worlds

BLURS = {"0.02M": 1.0, "0.06M": 0.6, "0.2M": 0.3}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        homes.simulated(path, patch)
        yield path


@pytest.fixture(scope="module")
def folders(home):
    return worlds.ladder(BLURS)


@pytest.fixture(scope="module")
def built(folders):
    return ledger.build(folders)


def test_every_column_is_there_and_explained(built):
    assert built.schema == ledger.SCHEMA
    assert all(column.meaning for column in ledger.COLUMNS)


def test_losses_are_the_evaluators(built, folders):
    own = built.filter(run=folders[0].name).sort("date")
    said = RunFolder(folders[0]).predictions()
    said = said.filter(model="patchtst", split="validation", symbol="SPY").sort("date")
    expected = Forecast(said["logit"].to_numpy(), said["target"].to_numpy()).losses
    np.testing.assert_allclose(own["loss"], expected)
    assert own["date"].to_list() == said["date"].to_list()


def test_baselines_stand_on_the_same_rows(built):
    may_be_null = ("seconds", "origin", "not_estimable", "pooled")
    assert built.null_count().drop(may_be_null).sum_horizontal().item() == 0
    means = built.select(pl.col("^loss_.*$").mean()).row(0, named=True)
    assert means["loss_har"] < means["loss_prior"]
    assert built.group_by("date").agg(pl.col("loss_har").n_unique())["loss_har"].max() == 1


def test_nothing_of_the_test_split_is_read_unless_it_was_opened(built, folders):
    assert set(built["split"]) == {"validation"}
    with pytest.raises(RunError, match="--split test"):
        ledger.build(folders, split="test")


def test_a_throttled_run_gives_no_wall_time(home):
    (folder, *_) = worlds.ladder({"0.02M": 0.5}, seeds=1, step_time_drift=True, started="2020")
    (row,) = ledger.runs(ledger.build([folder])).to_dicts()
    assert row["step_time_drift"]
    assert row["seconds"] is None


def test_what_was_trained_is_counted(built):
    row = ledger.runs(built).row(0, named=True)
    assert row["epochs"] == pytest.approx(0.5 * homes.SETTINGS["training"]["max_epochs"])
    assert row["tokens"] == round(row["epochs"] * row["samples"]) * 9
    assert row["flops"] == 50e6
    assert row["seconds"] == 3.0


def test_an_unfinished_run_is_one_line(folders, tmp_path):
    (tmp_path / "run.json").write_text((folders[0] / "run.json").read_text())
    with pytest.raises(RunError, match="to its end"):
        ledger.build([tmp_path])
    with pytest.raises(RunError, match="no finished run"):
        ledger.build([])


@pytest.mark.parametrize("model", ["patchtst", "har"])
def test_models_that_do_not_speak_about_the_same_rows_are_refused(home, model):
    (folder,) = worlds.ladder({"0.02M": 0.4}, seeds=1, started="2021")
    path = folder / layout.PREDICTIONS
    own = pl.when(model=model).then(1.0 - pl.col("target")).otherwise("target")
    predictions.write(path, predictions.read(path).with_columns(target=own))
    with pytest.raises(DataError, match="do not predict the same rows"):
        ledger.build([folder])


def test_a_recipe_is_what_is_neither_axis_nor_size_nor_seed():
    base: dict[str, Any] = {
        "name": "a", "seed": 1, "budget": "2M", "task": "direction", "data": {"symbols": ["SPY"]},
        "features": {"tier": 20, "source": "indicators"}, "model": {"depth": 3, "dropout": 0.5},
        "training": {"weight_decay": 0.01},
    }  # fmt: skip
    other = copy.deepcopy(base)
    other |= {"name": "b", "seed": 2, "budget": "20M"}
    other["data"]["symbols"] = ["SPY", "DIA"]
    other["model"]["depth"] = 6
    assert ledger.config_hash(base) == ledger.config_hash(other)
    other["training"]["weight_decay"] = 0.1
    assert ledger.config_hash(base) != ledger.config_hash(other)
    tuned = ("training.weight_decay",)
    assert ledger.config_hash(base, tuned) == ledger.config_hash(other, tuned)


def test_a_recipe_says_what_is_not_at_its_default():
    usual = ExperimentConfig(name="a", budget="20M", seed=3).model_dump(mode="json")
    assert ledger.non_default_settings(usual) == []
    other = copy.deepcopy(usual)
    other["model"]["residual_of"] = "har"
    other["training"]["weight_decay"] = 1.0
    other["model"]["revin"]["statistics_to_head"] = True
    said = [
        "model.revin.statistics_to_head: true", "model.residual_of: har",
        "training.weight_decay: 1.0",
    ]  # fmt: skip
    assert ledger.non_default_settings(other) == said
    assert ledger.non_default_settings(other, ("training.weight_decay",)) == said[:2]
    older = copy.deepcopy(usual)
    del older["training"]["huber_delta"]
    assert ledger.non_default_settings(older) == []


def test_the_ledger_is_cut_along_parameters(built, folders):
    (table,) = axes.tables(built, "parameters")
    assert table.name == "threshold_1pct H1 daily (exploratory)"
    np.testing.assert_allclose(table.rungs[:, 0], [2e4, 6e4, 2e5], rtol=0.01)
    assert table.seeds.tolist() == [2, 2, 2]
    for column, run in zip(table.losses.T, table.runs, strict=True):
        np.testing.assert_allclose(column, built.filter(run=run).sort("date")["loss"])
    assert 0.0 < table.bound < np.log(2)
    assert table.losses.mean(axis=0)[:2].mean() > table.losses.mean(axis=0)[-2:].mean()


def test_parameters_may_be_counted_in_three_ways(built):
    sizes = {
        count: axes.tables(built, "parameters", parameters=count)[0].rungs[-1, 0]
        for count in axes.PARAMETERS
    }
    assert sizes["body"] < sizes["no_embedding"] < sizes["total"]


def test_of_two_runs_alike_the_newer_counts(built, home):
    again = worlds.ladder({"0.02M": 0.1}, seeds=2, started="2030")
    both = pl.concat([built, ledger.build(again)])
    (table,) = axes.tables(both, "parameters")
    assert table.seeds.tolist() == [2, 2, 2]
    assert {run.name for run in again} <= set(table.runs)


def test_recipes_are_not_mixed(built, home):
    model = {"model": {"revin": {"statistics_to_head": True}}}
    other = worlds.ladder({"0.02M": 0.5, "0.2M": 0.5}, overrides=model, started="2022")
    found = axes.tables(pl.concat([built, ledger.build(other)]), "parameters")
    assert [len(table.rungs) for table in found] in ([2, 3], [3, 2])
    assert {table.name for table in found} == {
        "threshold_1pct H1 daily (exploratory)",
        "threshold_1pct H1 daily, model.revin.statistics_to_head: true (exploratory)",
    }
    assert len({table.pool for table in found}) == 2


def test_a_cell_and_the_list_of_its_symbols_are_one_cell(built, home):
    named = homes.SETTINGS["data"] | {"cell": "Aa"}
    larger = ledger.build(worlds.ladder({"0.6M": 0.1}, overrides={"data": named}, started="2026"))
    assert set(larger["data"]) == set(built["data"]) == {"Aa"}
    (table,) = axes.tables(pl.concat([built, larger]), "parameters")
    assert len(table.rungs) == 4


@pytest.fixture(scope="module")
def two_assets(home):
    bars = SimulatedSource("sv", first=date(2018, 1, 2), last=date(2025, 3, 31)).fetch("OTHER")
    store.register_raw(bars.frame, source="simulated", symbol="OTHER", parameters=bars.parameters)
    data = homes.SETTINGS["data"] | {"symbols": ["SPY", "OTHER"]}
    return worlds.ladder({"0.02M": 0.9, "0.2M": 0.3}, overrides={"data": data}, started="2028")


def test_every_asset_is_a_cell_with_losses_and_baselines_of_its_own(two_assets):
    both, main = ledger.build(two_assets, every_asset=True), ledger.build(two_assets)
    assert set(both["symbol"]) == {"SPY", "OTHER"}
    assert both.filter(symbol="SPY").equals(main)
    said = RunFolder(two_assets[0]).predictions()
    said = said.filter(model="patchtst", split="validation", symbol="OTHER").sort("date")
    own = both.filter(run=two_assets[0].name, symbol="OTHER")
    expected = Forecast(said["logit"].to_numpy(), said["target"].to_numpy()).losses
    np.testing.assert_allclose(own["loss"], expected)
    har = own["loss_har"].to_numpy().mean()
    assert har < own["loss_prior"].to_numpy().mean()
    assert har != both.filter(symbol="SPY")["loss_har"].to_numpy().mean()
    assert both.group_by("symbol").agg(pl.col("bars").n_unique())["bars"].to_list() == [1, 1]


def test_the_references_of_an_asset_do_not_depend_on_what_it_is_pooled_with(two_assets, built):
    names = ("date", "reference", "loss_har", "loss_lhar", "loss_linear", "loss_reference")
    alone = built.filter(run=built["run"][0]).select(names)
    among = ledger.build(two_assets).filter(run=two_assets[0].name).select(names)
    shared = alone.join(among, on="date", suffix="_among")
    assert shared.height == alone.height
    assert (shared["reference"] == shared["reference_among"]).all()
    for name in names[2:]:
        np.testing.assert_allclose(shared[name], shared[f"{name}_among"], atol=1e-9)


def test_what_was_trained_on_too_few_days_is_a_cell_that_claims_nothing(home):
    few = {"data": homes.SETTINGS["data"] | {"train_fraction": 0.01}}
    own = ledger.build(worlds.ladder({"0.02M": 0.9, "0.2M": 0.3}, overrides=few, started="2029"))
    assert (
        own.select("loss_har", "loss_linear", "loss_reference", "reference").null_count().row(0)
        == (own.height,) * 4
    )
    (table,) = axes.tables(own, "parameters")
    assert "at least 30 of each are needed" in str(table.obstacle)
    assert verdict.judge([table], draws=50).cells[0].word == "not estimable"


def test_assets_are_pooled_and_share_the_luck_of_their_seeds(two_assets):
    tables = axes.tables(ledger.build(two_assets, every_asset=True), "parameters")
    assert [len(table.rungs) for table in tables] == [2, 2]
    assert tables[0].runs == tables[1].runs
    found = verdict.judge(tables, draws=200)
    assert found.pooled.gain == pytest.approx(np.mean([cell.skill for cell in found.cells]))
    # The same dates and the same seeds: of one table twice the pool is that table.
    one = tables[0]
    twice = verdict.judge([one, replace(one, name="again")], draws=200)
    first, again = (twice.draws[name].rungs for name in (one.name, "again"))
    np.testing.assert_array_equal(first, again)


def test_strict_runs_are_judged_apart_from_what_else_was_tried():
    strict = {
        "mode": "strict", "budget": "2M", "data": {"cell": "Aa", "source": "simulated"},
        "training": {"batch_size": 64},
    }  # fmt: skip
    runs = worlds.ladder({"2M": 0.5, "20M": 0.3}, overrides=strict, started="2027")
    tried = {"mode": "exploratory", "budget": "0.2M"}
    runs += worlds.ladder({"0.2M": 0.9}, overrides=strict | tried, started="2027")
    apart, together = axes.tables(ledger.build(runs), "parameters")
    assert (apart.name, len(apart.rungs)) == ("threshold_1pct H1 daily", 2)
    assert (together.name, len(together.rungs)) == ("threshold_1pct H1 daily (exploratory)", 3)
    found = verdict.judge([together, apart], draws=100)
    assert found.primary.strict
    assert found.pools[found.primary].gain == pytest.approx(
        verdict.judge([apart], draws=100).pooled.gain
    )


def test_one_size_is_no_axis(built):
    with pytest.raises(RunError, match="differ in training samples"):
        axes.tables(built, "history")


def _one_more_download(data: dict) -> dict:
    """Register other bars of the same symbol: a new path of the market."""
    source = SimulatedSource("sv", seed=9, first=date(2018, 1, 2), last=date(2025, 3, 31))
    fetched = source.fetch("SPY")
    store.register_raw(
        fetched.frame, source="simulated", symbol="SPY", parameters=fetched.parameters
    )
    return {"data": data}


def test_runs_on_other_bytes_are_no_size_of_this_cell(built, home):
    again = worlds.ladder(
        {"0.6M": 0.3, "0.06M": 0.3},
        overrides=_one_more_download(homes.SETTINGS["data"]),
        started="2031",
    )
    both = pl.concat([built, ledger.build(again)])
    for axis in ("parameters", "surface", "features_surface"):
        cut = axes.AXES[axis].fixed
        assert {"artifacts", "bars"} & set(cut)
        assert len(both.unique("run").partition_by(cut)) == 2
    found = axes.tables(both, "parameters")
    assert sorted(len(table.rungs) for table in found) == [2, 3]
    assert all("file" in table.name for table in found)


def test_blocks_of_the_history_are_no_share_of_the_latest(home):
    def at(share: float, blocks: int | None, started: str):
        data = homes.SETTINGS["data"] | {"train_fraction": share, "train_blocks_seed": blocks}
        return worlds.ladder({"0.02M": 0.5}, overrides={"data": data}, started=started, seeds=1)

    latest = [*at(0.25, None, "2032"), *at(0.5, None, "2033")]
    whole = at(1.0, None, "2034")
    drawn = [*at(0.25, 7, "2035"), *at(0.5, 7, "2036")]
    found = axes.tables(ledger.build([*latest, *whole, *drawn]), "history")
    runs = {frozenset(table.runs) for table in found if not table.pool.estimand}
    assert runs == {
        frozenset(folder.name for folder in (*shares, *whole)) for shares in (latest, drawn)
    }
    assert any("blocks of seed 7" in table.name for table in found)


def test_cells_are_pooled_by_mode_recipe_and_market(built):
    (table,) = axes.tables(built, "parameters")
    assert (table.pool.strict, table.pool.config_hash) == (False, built["config_hash"][0])
    assert table.pool.data_generator.startswith("simulated sv, high 0.018")
    real = built.with_columns(data_generator=pl.lit(ledger.REAL), task=pl.lit("threshold_2pct"))
    pools = {
        cell.pool.data_generator for cell in axes.tables(pl.concat([built, real]), "parameters")
    }
    assert pools == {table.pool.data_generator, ledger.REAL}


def test_a_setting_that_does_not_exist_cannot_have_been_tuned(folders):
    with pytest.raises(RunError, match=r"--ignore-setting training\.dacay is no setting"):
        ledger.build(folders, tuned=("training.dacay",))


def test_a_run_of_the_last_release_is_in_the_ledger_under_the_names_of_today(home):
    (folder,) = worlds.ladder({"0.02M": 0.4}, seeds=1, started="2041")
    before = ledger.build([folder])
    config = json.loads((folder / "run.json").read_text())["config"]
    former = build_config(config).former_hash
    worlds.change(folder, "run.json", config=renamed_keys.former(config), config_hash=former)
    text = (folder / "run.json").read_text()
    assert '"pinned"' in text and '"artifact_sha256"' not in text
    assert ledger.build([folder]).equals(before)
    assert RunFolder(folder).metadata()["config"] == config


def test_a_configuration_that_lost_a_setting_makes_no_other_recipe(home):
    (folder,) = worlds.ladder({"0.02M": 0.4}, seeds=1, started="2040")
    record = json.loads((folder / "run.json").read_text())
    whole = build_config(record["config"]).hash
    worlds.change(folder, "run.json", config_hash=whole)
    assert ledger.build([folder]).height
    del record["config"]["training"]["weight_decay"]
    record["config"]["training"]["learning_rate"] = 0.5
    worlds.change(folder, "run.json", config=record["config"])
    with pytest.raises(RunError, match="is not the one of config_hash"):
        ledger.build([folder])
