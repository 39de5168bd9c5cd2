"""`mlxts hpo` as a person calls it."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from typer.testing import CliRunner

from mlxts import files
from mlxts.cli.app import app
from mlxts.config.loading import load_config
from mlxts.errors import BusyError, ConfigError, SearchError
from mlxts.model import parameter_budget
from mlxts.platform import device_lock
from mlxts.search import space, storage, train_validation_data
from mlxts.training.plan import make_plan
from tests import homes
from tests.search import studies

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "hpo").glob("*.yaml"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    homes.simulated(tmp_path, monkeypatch)
    train_validation_data._last.clear()
    declared = {**homes.SETTINGS, "name": "searched", "thermal": {"sensor": "off"}}
    declared["training"] = {**homes.SETTINGS["training"], **studies.TRAINING}
    declared["search"] = {"trials": 2, "pruner": "none", "space": studies.SPACE}
    (tmp_path / "searched.yaml").write_text(yaml.safe_dump(declared))
    return tmp_path


def _call(*arguments: str, code: int = 0):
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def test_a_search_is_run_shown_continued_and_its_winner_written(home: Path) -> None:
    said = json.loads(_call("hpo", "searched.yaml", "--json").stdout)
    assert said["ended"] == "all 2 trials are done"
    name, best = said["study"], said["best"]
    assert name.startswith("hpo-searched-")
    assert best["value"] == min(trial["value"] for trial in said["trials"])
    assert set(best["params"]) == set(studies.SPACE)

    again = json.loads(_call("hpo", "searched.yaml", "--trials", "3", "--json").stdout)
    assert (again["study"], len(again["trials"])) == (name, 3)
    best = again["best"]

    shown = _call("hpo", "show", "hpo-searched", "--rerun-seeds", "1").stdout
    for part in (
        name,
        "weight_decay",
        "Selection bias",
        "optimism",
        "against the best baseline",
    ):
        assert part in shown
    figures = json.loads(_call("hpo", "show", name, "--json").stdout)
    assert figures["top"][0] == best["trial"]
    assert len(figures["optimism"]["reruns"]) == 1
    listed = json.loads(_call("hpo", "list", "--json").stdout)["studies"]
    assert listed == [
        {"study": name, "ended": 3, "trials": 3, "best": best["value"], "trial": best["trial"]}
    ]

    written = _call("hpo", "best", name, "--write", "configs/winner.yaml").stdout
    assert "mlxts train configs/winner.yaml" in written
    winner = load_config(Path("configs/winner.yaml"))
    assert winner.name == "winner"
    assert make_plan(winner).run_id == best["run_id"]
    trained = json.loads(_call("train", "configs/winner.yaml", "--json").stdout)
    assert trained["run_id"] == best["run_id"]
    assert trained["best_loss"] == best["value"]
    with pytest.raises(ConfigError, match=r"exists; choose another name$"):
        _call("hpo", "best", name, "--write", "configs/winner.yaml")


def test_a_pipe_reads_one_line_a_trial(home: Path) -> None:
    said = _call("hpo", "run", "searched.yaml", "--trials", "1", "--set", "search.seed=3").stdout
    assert "trial 0 begins: weight_decay" in said
    assert "the best so far · 1/1 trials" in said
    assert "best: trial 0, validation loss" in said


def test_a_device_that_is_taken_is_left_to_who_has_it(home: Path) -> None:
    with device_lock.device_to_itself():
        with pytest.raises(BusyError, match="taken by process"):
            _call("hpo", "searched.yaml")
        said = _call("train", "small.yaml", "--quiet").stderr
        assert f"process {os.getpid()}" in said
        assert "both will take longer" in said
        shared = ("--trials", "1", "--quiet", "--workers-per-device", "2")
        assert "all 1 trials are done" in _call("hpo", "searched.yaml", *shared).stdout
    _call("hpo", "searched.yaml", "--trials", "1", "--quiet")
    with (
        device_lock.device_to_itself(),
        pytest.raises(BusyError, match="taken by process"),
    ):
        _call("hpo", "show", "hpo-searched", "--rerun-seeds", "1")


def test_a_study_of_another_version_does_not_hide_the_others(home: Path) -> None:
    _call("hpo", "searched.yaml", "--trials", "1", "--quiet")
    other = optuna.create_study(study_name="hpo-other", storage=storage.open())
    other.set_user_attr("kind", "hpo")
    other.set_user_attr("config", {"gone": 1})
    done = _call("hpo", "list", "--json")
    assert len(json.loads(done.stdout)["studies"]) == 1
    assert "hpo-other is left out" in done.stderr


def test_a_winner_is_trained_again_by_the_code_that_found_it_alone(home: Path) -> None:
    _call("hpo", "searched.yaml", "--trials", "1", "--quiet")
    store = storage.open()
    optuna.load_study(study_name=storage.study_names(store)[0], storage=store).set_user_attr(
        "code_version", "older"
    )
    with pytest.raises(SearchError, match="check out the same commit"):
        _call("hpo", "show", "hpo-searched", "--rerun-seeds", "1")


def test_mistakes_name_what_to_do(home: Path) -> None:
    with pytest.raises(ConfigError, match="add a section `search:`"):
        _call("hpo", "small.yaml")
    with pytest.raises(ConfigError, match="no configuration at absent"):
        _call("hpo", "absent.yaml")
    with pytest.raises(SearchError, match="no study nothing, nor any other; `mlxts hpo CONFIG`"):
        _call("hpo", "show", "nothing")
    assert not files.runs_folder().exists()


def test_the_command_explains_itself() -> None:
    listed = _call("hpo", "--help").stdout
    for name in ("run", "show", "best", "list"):
        assert name in listed
        assert _call("hpo", name, "--help").stdout


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_searches_are_strict_and_every_shape_meets_the_budget(path: Path) -> None:
    from itertools import product

    loaded = load_config(path)
    assert loaded.mode == "strict"
    searched = space.read(loaded).space.dimensions
    shapes: dict[str, Iterable[Any]] = {
        name: range(d.low, d.high + 1, d.step or 1) if isinstance(d, space.Integers) else d
        for name, d in searched.items()
        if name in ("depth", "heads")
    }
    for values in product(*shapes.values()):
        chosen = space.configure(loaded, dict(zip(shapes, values, strict=True)))
        shape = parameter_budget.solve(chosen.budget, chosen.features.tier, chosen.model)
        assert shape.d_model % shape.heads == 0


def test_a_search_is_shipped() -> None:
    assert SHIPPED
