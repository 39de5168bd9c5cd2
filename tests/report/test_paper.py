"""Tables for a paper: made of figures that are kept beside them, and those of the evaluator."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlxts.cli.app import app
from mlxts.errors import RunError
from mlxts.report import paper
from tests import homes
from tests.report import worlds
from tests.scaling import worlds as planted

STRICT = {
    "mode": "strict", "budget": "2M", "data": {"cell": "Aa", "source": "simulated"},
    "training": {"batch_size": 64},
}  # fmt: skip
OFFSET = STRICT | {"mode": "exploratory", "model": {"offset": "har"}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        home = homes.simulated(tmp_path_factory.mktemp("home"), patch)
        strict = planted.ladder({"2M": 0.4}, overrides=STRICT)
        beside = planted.ladder({"2M": 0.1}, overrides=OFFSET)
        for folder in strict:
            worlds.give_scores(folder)
            planted.change(folder, "summary.json", best_step=10)
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
    (other,) = found["beside"]
    assert other["change"] == "model.offset: har"
    assert other["against_main"] == pytest.approx(other["loss"] - main["loss"])
    assert other["against_main_low"] < other["against_main"] < other["against_main_high"]
    assert other["against_main"] < 0.0  # it was planted with less noise


def test_without_a_strict_run_there_is_nothing_to_stand_beside(world):
    with pytest.raises(RunError, match="strict"):
        paper.collect(world[2], draws=60)


def test_the_document_is_made_of_its_figures_alone(world, tmp_path, monkeypatch):
    path = tmp_path / "results.md"
    ids = [folder.name for folder in (*world[1], *world[2])]
    asked = ["report", *ids, "--paper", str(path), "--draws", "60"]
    assert CliRunner().invoke(app, asked, catch_exceptions=False).exit_code == 0
    text = path.read_text(encoding="utf-8")
    assert "model.offset: har" in text
    assert text == paper.markdown(json.loads(paper.figures_of(path).read_text(encoding="utf-8")))
    path.unlink()
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path / "empty"))
    CliRunner().invoke(app, ["report", "--paper", str(path)], catch_exceptions=False)
    assert path.read_text(encoding="utf-8") == text


def test_the_results_in_docs_are_what_their_own_figures_render_to():
    path = Path(__file__).parents[2] / "docs" / "research_paper" / "results.md"
    kept = json.loads(paper.figures_of(path).read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == paper.markdown(kept)
