"""Walk-forward: every origin is purged, predicts its window, and stands with the fixed split."""

import itertools
import json
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mlxts import predict, protocol, walk_forward
from mlxts.cli.app import app
from mlxts.config.loading import build_config, load_config
from mlxts.errors import ConfigError, EmptySplitError
from mlxts.evaluation import test_split_log
from mlxts.model.initialisation import build_model
from mlxts.model.patchtst import flat_arrays
from mlxts.runs import index, layout, predictions
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK
from mlxts.runs.references import Reference
from mlxts.training import run
from tests import homes


def call(*arguments: str):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace in which two origins and the fixed split have been walked through."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        homes.simulated(home, patch, first=date(2014, 1, 2))
        shown = call("walk-forward", "small.yaml", "--windows", "2", "--json")
    return home, json.loads(shown.stdout), shown.stderr


@pytest.fixture(autouse=True)
def inside(workspace, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(workspace[0]))
    monkeypatch.chdir(workspace[0])


def test_each_origin_is_scored_on_what_followed(workspace):
    _, found, said = workspace
    assert [o["scored"] for o in found["origins"]] == [
        ["2021-01-01", "2022-12-31"],
        ["2023-01-01", "2024-12-31"],
    ]
    assert [o["trained_until"] for o in found["origins"]] == ["2018-12-31", "2020-12-31"]
    assert found["origins"][0]["samples"] < found["origins"][1]["samples"]
    for origin in found["origins"]:
        figures = origin["scores"]["patchtst"]
        low, high = figures["interval"]["log_loss_difference"]
        assert low <= figures["log_loss_difference"] <= high
        assert not figures["better_than_oracle"]
    assert "origin 2 of 2: 2023-2024 is predicted" in said


def test_origins_begin_with_other_weights_and_run_json_holds_their_seed(workspace):
    _, found, _ = workspace
    seeds, weights = [], []
    for origin in found["origins"]:
        plan = run.load(index.find(origin["run_id"])).plan
        seeds.append(RunFolder(plan.folder).metadata()["training_seed"])
        assert (seeds[-1], plan.config.seed) == (plan.config.training_seed, 0)
        model = build_model(plan.config, plan.shape, plan.dataset)
        weights.append(flat_arrays(model.parameters()))
    assert seeds[0] != seeds[1]
    drawn = [name for name, array in weights[0].items() if np.std(np.asarray(array)) > 0.0]
    assert drawn
    assert not any(np.array_equal(weights[0][name], weights[1][name]) for name in drawn)


def test_by_default_there_are_as_many_windows_as_the_protocol_has(workspace):
    with pytest.raises(EmptySplitError, match="2005-2006"):
        call("walk-forward", "small.yaml")


def test_all_windows_together_weigh_every_day_alike(workspace):
    _, found, _ = workspace
    each, pooled = [o["scores"] for o in found["origins"]], found["pooled"]
    for name, figures in pooled.items():
        counts = [scores[name]["n"] for scores in each]
        losses = [scores[name]["log_loss"] for scores in each]
        assert figures["n"] == sum(counts)
        assert figures["log_loss"] == pytest.approx(np.average(losses, weights=counts))


def test_nothing_scored_was_trained_on_and_labels_end_inside_their_window(workspace):
    for one in walk_forward.origins(load_config(workspace[0] / "small.yaml"), 2):
        data = walk_forward.plan(one).dataset
        parts = [data.samples[name] for name in protocol.SPLIT_NAMES]
        for before, after in itertools.pairwise(parts):
            assert before.label_end.max() < after.dates.min()


def test_a_run_of_an_origin_keeps_what_it_foresaw_and_is_not_trained_again(workspace):
    home, found, _ = workspace
    folders = sorted(path.name for path in (home / "outputs" / "runs").iterdir())
    for origin in found["origins"]:
        folder = index.find(origin["run_id"])
        rows = RunFolder(folder).predictions().filter(split="test")
        own = rows.filter(model="patchtst")
        assert own.height == origin["scores"]["patchtst"]["n"]
        assert own["logit"].equals(predict.predict_network(run.load(folder), ("test",))["logit"])
    again = call("walk-forward", found["fixed"]["run_id"], "--windows", "2", "--json")
    assert json.loads(again.stdout) == found
    assert sorted(path.name for path in (home / "outputs" / "runs").iterdir()) == folders
    assert test_split_log.history() == []


def test_the_fixed_split_stands_beside_them(workspace):
    _, found, _ = workspace
    summary = json.loads((index.find(found["fixed"]["run_id"]) / "summary.json").read_text())
    assert found["fixed"]["scores"] == summary["scores"]["validation"]
    shown = call("walk-forward", "small.yaml", "--windows", "2")
    for heading in ("2021-2022", "2023-2024", "all origins", "fixed split", "(exploratory)"):
        assert heading in shown.stdout
    assert "walk-forward windows" in shown.stdout.splitlines()[-1]
    assert RunFolder(index.find(found["origins"][0]["run_id"])).is_walk_forward


def test_what_cannot_be_done_is_said(workspace):
    with pytest.raises(EmptySplitError, match="ask for fewer --windows"):
        call("walk-forward", "small.yaml", "--windows", "5")
    with pytest.raises(ConfigError, match=r"data\.walk_forward_window"):
        build_config({"name": "a", "data": {"walk_forward_window": 1}})


def test_the_ledger_of_scaling_takes_the_windows_together_and_predicts_what_is_not_there(workspace):
    _, found, _ = workspace
    folders = [index.find(origin["run_id"]) for origin in found["origins"]]
    before = [RunFolder(folder).predictions() for folder in folders]
    predictions.write(folders[0] / layout.PREDICTIONS, before[0].filter(pl.col("split") != "test"))
    asked = ["scaling", "ledger", "--split", "walk-forward", "--json"]
    shown = CliRunner().invoke(app, asked, catch_exceptions=False)
    (one,) = json.loads(shown.stdout)["runs"]
    assert one["dates"] == found["pooled"]["patchtst"]["n"]
    assert one["loss"] == pytest.approx(found["pooled"]["patchtst"]["log_loss"])
    assert f"{folders[0].name}: predicting its window" in shown.stderr
    assert RunFolder(folders[0]).predictions().equals(before[0])


def test_all_windows_are_compared_with_the_reference_of_each(workspace):
    """Where HAR is the better one at one origin and linear at another, both count, each its own."""
    later = walk_forward.score_origin(
        walk_forward.plan(walk_forward.origins(load_config(workspace[0] / "small.yaml"), 1)[0])
    )
    earlier = walk_forward.score_origin(
        walk_forward.plan(walk_forward.origins(load_config(workspace[0] / "small.yaml"), 2)[0])
    )
    two = [
        replace(origin, reference=replace(origin.reference, name=name))
        for origin, name in ((earlier, "har"), (later, "linear"))
    ]
    found = walk_forward.pooled(two)
    counts = [origin.figures["har"]["n"] for origin in two]
    losses = [origin.figures[str(origin.reference.name)]["log_loss"] for origin in two]
    mixed = np.average(losses, weights=counts)
    assert found[walk_forward.EITHER]["log_loss"] == pytest.approx(mixed)
    own = found[NETWORK]
    assert own["reference"] == walk_forward.EITHER
    assert own["log_loss_difference"] == pytest.approx(own["log_loss"] - mixed)
    nothing = replace(two[0], reference=Reference(None, {}, "too few"))
    assert walk_forward.pooled([nothing, later])[NETWORK]["not_estimable"] == "too few"
