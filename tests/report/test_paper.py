"""Tables for a paper: made of figures that are kept beside them, and those of the evaluator."""

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlxts.cli.app import app
from mlxts.errors import RunError
from mlxts.report import paper, paper_fixed
from mlxts.scaling import axes, verdict, walk_forward_ledger
from tests import homes
from tests.report import worlds
from tests.scaling import worlds as planted

STRICT = {
    "mode": "strict", "budget": "2M", "data": {"cell": "Aa", "source": "simulated"},
    "training": {"batch_size": 64},
}  # fmt: skip
OFFSET = STRICT | {"mode": "exploratory", "model": {"residual_of": "har"}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        home = homes.simulated(tmp_path_factory.mktemp("home"), patch, first=date(2015, 1, 2))
        strict = planted.ladder({"2M": 0.4}, overrides=STRICT)
        beside = planted.ladder({"2M": 0.1}, overrides=OFFSET)
        for folder in strict:
            worlds.give_scores(folder)
        yield home, strict, beside


@pytest.fixture(autouse=True)
def home(world, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(world[0]))
    monkeypatch.chdir(world[0])


def test_figures_are_the_evaluators_and_ablations_say_what_differs(world):
    _, strict, beside = world
    found = paper.collect([*strict, *beside], draws=200)
    (main,) = found["main"]
    assert (main["seeds"], main["budget"]) == (2, "2M")
    for row, folder in zip(found["seeds"], strict, strict=True):
        figures = worlds.read(folder, "summary.json")["scores"]["validation"]["patchtst"]
        assert row["loss"] == figures["log_loss"]
        assert [row["skill_low"], row["skill_high"]] == figures["interval"]["log_loss_skill"]
    (other,) = found["ablations"]
    assert other["change"] == "model.residual_of: har"
    assert other["against_main"] == pytest.approx(other["loss"] - main["loss"])
    assert other["against_main_low"] < other["against_main"] < other["against_main_high"]
    assert other["against_main"] < 0.0  # it was planted with less noise


def test_a_run_whose_references_could_not_be_fitted_claims_nothing_there_either(world):
    _, strict, _ = world
    path = strict[0] / "summary.json"
    kept = path.read_bytes()
    try:
        models = worlds.read(strict[0], "summary.json")["scores"]["validation"]
        own = models["patchtst"] | {"verdict": "not estimable", "reference": None}
        planted.change(strict[0], "summary.json", scores={"validation": {"patchtst": own}})
        found = paper.collect(strict, draws=60)
        assert [row["auc_har"] is None for row in found["seeds"]] == [True, False]
        assert found["seeds"][0]["verdict"] == "not estimable"
        assert "| not estimable |" in paper.markdown(found)
    finally:
        path.write_bytes(kept)


def test_a_cell_is_named_and_its_contents_are_not():
    one, pinned = {"cell": "Aa", "symbols": ["SPY"]}, {"SPY": "a", "DIA": "b"}
    other = {"cell": "Da", "symbols": ["SPY", "DIA"], "artifact_sha256": pinned}
    assert paper_fixed.difference({"data": one}, {"data": other}) == "data.cell: Da"


def test_what_size_bought_is_judged_with_strict_runs_apart(world):
    _, strict, _ = world
    larger = planted.ladder({"20M": 0.2}, overrides=STRICT)
    own = {"mode": "exploratory", "budget": "0.2M"}
    smaller = planted.ladder({"0.2M": 0.8}, overrides=STRICT | own)
    for folder in larger:
        worlds.give_scores(folder)
    assert paper.collect(strict, draws=60)["along"] == []
    apart, together = paper.collect([*strict, *larger, *smaller], draws=200)["along"]
    assert (apart["sizes"], apart["seeds"], apart["cell"]) == (
        "2M, 20M",
        "2, 2",
        "threshold_1pct H1 daily",
    )
    assert together["sizes"] == "0.2M, 2M, 20M"
    assert together["cell"] == "threshold_1pct H1 daily (exploratory)"
    for row in (apart, together):
        assert row["gain_low"] < row["gain"] < row["gain_high"]
        assert row["gain"] > 0.0  # the larger were planted with less noise
    text = paper.markdown(paper.collect([*strict, *larger], draws=60))
    assert "| parameters | threshold_1pct H1 daily | 2M, 20M | 2, 2 |" in text


@pytest.fixture(scope="module")
def walked(world):
    """Two budgets and two seeds at two origins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLXTS_HOME", str(world[0]))
        return [
            folder
            for origin in (1, 2)
            for folder in planted.ladder(
                {"0.02M": 0.9, "0.2M": 0.3},
                overrides={"data": {"source": "simulated", "walk_forward_window": origin}},
                splits=("train", "validation", "test"),
            )
        ]


def test_walk_forward_runs_replace_their_own_figures_alone(world, walked):
    _, strict, beside = world
    fixed = paper.collect([*strict, *beside], draws=60)
    both = paper.collect(walked, draws=60, before=fixed)
    assert {key: both[key] for key in fixed} == fixed
    assert both["study"] == paper.collect([*strict, *walked], draws=60)["study"]
    again = paper.collect([*strict, *beside], draws=60, before=both)
    assert again == both
    old = both | {"study": both["study"] | {"draws": 1}}
    assert paper.collect(walked, draws=60, before=old)["study"]["draws"] == 60


def test_walk_forward_runs_alone_make_a_document(world, walked, tmp_path):
    record = paper.collect(walked, draws=60)
    path = paper.write(record, tmp_path / "alone.md")
    text = path.read_text(encoding="utf-8")
    assert "## Fixed splits" not in text
    assert "](walk-forward-parameters.svg)" in text
    for kind in ("svg", "pdf", "csv"):
        assert (tmp_path / f"walk-forward-parameters.{kind}").is_file()
    svg = (tmp_path / "walk-forward-parameters.svg").read_bytes()
    for file in tmp_path.glob("walk*"):
        file.unlink()
    assert paper.rewrite(path).read_text(encoding="utf-8") == text
    assert (tmp_path / "walk-forward-parameters.svg").read_bytes() == svg


def test_a_walk_forward_verdict_is_that_of_the_scaling_room_with_its_design(walked):
    study = paper.collect(walked, draws=200)["study"]
    built = walk_forward_ledger.join(walked, alike=False)
    (table,) = axes.tables(built, "parameters")
    (cell,) = verdict.judge([table], draws=200).cells
    (row,) = [row for row in study["verdicts"] if row["axis"] == "parameters"]
    for name in ("gain", "margin", "seen", "word", "reason", "reference"):
        assert row[name] == getattr(cell, name)
    assert row["label"] == cell.label
    assert (row["gain_low"], row["gain_high"]) == cell.interval
    assert (row["origins"], row["dates"], row["seeds"]) == (2, len(table.dates), [2, 2])
    assert (row["symbol"], row["task"], row["panel"]) == ("SPY", "threshold_1pct", False)
    for point, size, losses in zip(row["points"], (0.02, 0.2), table.losses.T[::2], strict=True):
        assert point["size"] == pytest.approx(size * 1e6, rel=0.02)
        own = float((losses - table.reference).mean())
        assert point["seeds"][0] == pytest.approx(own, abs=1e-12)
        assert point["difference"] == pytest.approx(sum(point["seeds"]) / 2)
        assert point["difference_low"] < point["difference"] < point["difference_high"]


def test_along_history_a_point_is_over_the_reference_of_its_own_data(walked, world):
    half = {"source": "simulated", "walk_forward_window": 1, "train_fraction": 0.5}
    splits = ("train", "validation", "test")
    folders = planted.ladder({"0.02M": 0.9}, overrides={"data": half}, splits=splits)
    whole = [one for one in walked if "0.02M" in one.name][:2]
    study = paper.collect([*folders, *whole], draws=60)["study"]
    rows = [row for row in study["verdicts"] if row["axis"] == "history"]
    assert [row["part"] for row in rows] == ["", "network over its reference", "reference alone"]
    found = {one["samples"]: one for one in study["configurations"]}
    for point in rows[0]["points"]:
        assert point["difference"] == pytest.approx(found[point["size"]]["difference"], abs=1e-9)
    assert rows[0]["levels"] == {}
    assert [row["points"] for row in rows[1:]] == [[], []]


def test_sizes_and_data_of_a_configuration_are_those_of_one_origin(walked):
    small, large = paper.collect(walked, draws=60)["study"]["configurations"]
    assert (small["budget"], large["budget"]) == ("0.02M", "0.2M")
    record = worlds.read(walked[-1], "run.json")
    assert large["n_no_embedding"] == record["n_total"] - record["n_embed"]
    counts = [worlds.read(one, "run.json")["samples"]["train"] for one in (walked[0], walked[-1])]
    assert large["samples"] == round(sum(counts) / 2)
    assert large["epochs"] == pytest.approx(
        5 * large["best_epoch"]
    )  # of 50 steps the tenth is best
    assert large["tokens_per_parameter"] == pytest.approx(large["tokens"] / large["n_total"], 1e-3)
    assert large["origins"] == 2


def test_without_a_strict_run_there_is_nothing_to_stand_beside(world):
    with pytest.raises(RunError, match="strict"):
        paper.collect(world[2], draws=60)


def test_figures_under_the_keys_of_before_make_the_same_document(world, tmp_path):
    _, strict, beside = world
    path = tmp_path / "results.md"
    paper.write(paper.collect([*strict, *beside], draws=50), path)
    text, figures = path.read_text(encoding="utf-8"), paper.figures_of(path)
    kept = json.loads(figures.read_text(encoding="utf-8"))
    former = {"ablations": "beside", "walk_forward": "foreseen", "provenance": "made_of"}
    assert kept.pop("schema") == 2
    figures.write_text(json.dumps({former.get(key, key): kept[key] for key in kept}))
    assert paper.rewrite(path).read_text(encoding="utf-8") == text


def test_the_document_is_made_of_its_figures_alone(world, tmp_path, monkeypatch):
    path = tmp_path / "results.md"
    ids = [folder.name for folder in (*world[1], *world[2])]
    asked = ["report", *ids, "--paper", str(path), "--draws", "60"]
    assert CliRunner().invoke(app, asked, catch_exceptions=False).exit_code == 0
    text = path.read_text(encoding="utf-8")
    assert "model.residual_of: har" in text
    assert text == paper.markdown(json.loads(paper.figures_of(path).read_text(encoding="utf-8")))
    path.unlink()
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path / "empty"))
    CliRunner().invoke(app, ["report", "--paper", str(path)], catch_exceptions=False)
    assert path.read_text(encoding="utf-8") == text


def test_the_results_in_docs_are_what_their_own_figures_render_to():
    path = Path(__file__).parents[2] / "docs" / "research_paper" / "results.md"
    kept = json.loads(paper.figures_of(path).read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == paper.markdown(kept)


def test_figures_of_before_there_was_linear_are_said_against_har_alone(world):
    record = paper.collect([*world[1], *world[2]], draws=60)
    new = paper.markdown(record)
    assert "Against HAR only" not in new
    for row in (*record["main"], *record["seeds"], *record["ablations"]):
        for name in ("reference", "loss_linear", "skill_har", "skill_har_low", "skill_har_high"):
            row.pop(name, None)
        row["verdict"] = "matches"
    old = paper.markdown(record)
    assert "**Against HAR only.**" in old
    assert "not significantly different from HAR" in old
    assert "matches" not in old
    assert "linear |" not in old
