"""Which runs a name stands for."""

import json

import optuna
import pytest
from typer.testing import CliRunner

from mlxts import files
from mlxts.cli.app import app
from mlxts.errors import RunError
from mlxts.report import provenance
from mlxts.runs import index
from mlxts.search import storage, study_runs
from tests import homes
from tests.report import worlds as reports
from tests.scaling import worlds


@pytest.fixture
def folders(tmp_path, monkeypatch):
    homes.simulated(tmp_path, monkeypatch)
    return worlds.ladder({"0.02M": 1.0, "0.06M": 0.5})


def named(*names: str) -> list[str]:
    return reports.runs_of(list(index.select(names, study_runs.finder()).finished))


def test_without_a_name_all_finished_runs_are_meant(folders):
    unfinished = reports.unfinished()
    picked = index.select(())
    assert reports.runs_of(list(picked.finished)) == reports.runs_of(folders)
    assert picked.unfinished == (files.runs_folder() / unfinished.name,)


def test_ids_beginnings_patterns_and_folders(folders, tmp_path):
    everything = reports.runs_of(folders)
    small = [name for name in everything if name.startswith("0.02M")]
    assert named(everything[0]) == everything[:1]
    assert named("0.02M") == small
    assert named("*s1-*") == [name for name in everything if "-s1-" in name]
    assert named(str(folders[0])) == [folders[0].name]
    assert named(str(files.runs_folder())) == everything
    assert named(str(files.runs_folder() / "0.02M*")) == small
    assert named("outputs/runs/0.02M*") == small
    assert named("0.02M", small[0], str(folders[0])) == small  # each once


def test_a_sweep_by_its_name_and_a_study_by_its_beginning(folders):
    store = storage.open()
    study = optuna.create_study(study_name="sweep-mine-0123456789", storage=store)
    study.set_user_attr("config", {"name": "mine", "base": {"mode": "strict"}})
    study.set_user_attr("kind", "sweep")
    for folder in folders[1:3]:  # of two sizes
        trial = study.ask()
        trial.set_user_attr("run_id", folder.name)
        study.tell(trial, 0.5)
    study.ask()
    assert named("mine") == named("sweep-mi") == reports.runs_of(folders[1:3])
    shown = CliRunner().invoke(app, ["scaling", "verdict", "mine", "--draws", "50", "--json"])
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["cells"][0]["seeds"] == 1
    (row,) = provenance.studies().rows
    assert (row["trials"], row["complete"], row["running"], row["mode"]) == (3, 2, 1, "strict")


def test_a_name_for_nothing_and_runs_that_are_not_finished_are_errors(folders):
    with pytest.raises(RunError, match="nobody is no run"):
        index.select(["nobody"], study_runs.finder())
    assert not storage.journal_path().exists()  # looking for a study makes none
    left = reports.unfinished()
    with pytest.raises(RunError, match="none of these runs is finished"):
        index.select([left.name])


def test_a_damaged_run_is_left_out_by_name_and_reason(folders):
    (folders[0] / "summary.json").write_text("[]")
    (folders[1] / "run.json").write_bytes(b"\xff")
    picked = index.select(())
    assert reports.runs_of(list(picked.finished)) == reports.runs_of(folders[2:])
    assert picked.unfinished == ()
    assert "summary.json is damaged" in picked.damaged[folders[0].name]
    assert "run.json is damaged" in picked.damaged[folders[1].name]
    with pytest.raises(RunError, match=r"run\.json is damaged"):
        index.select([folders[1].name])


@pytest.mark.parametrize("name", ["", "a**b"])
def test_what_is_no_name_is_one_line(folders, name):
    with pytest.raises(RunError):
        index.select([name])
