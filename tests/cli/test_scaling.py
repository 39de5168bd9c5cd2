"""`mlxts scaling` from run folders to tables, files and a sentence."""

import json

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from mlxts.cli.scaling import scaling
from mlxts.errors import ConfigError, RunError, StorageError
from mlxts.evaluation import test_split_log
from tests import homes
from tests.scaling import worlds

app = typer.Typer()
app.add_typer(scaling, name="scaling")
BLURS = {"0.02M": 1.2, "0.06M": 0.9, "0.2M": 0.6, "0.6M": 0.3}


def call(*arguments: str):
    return CliRunner().invoke(app, ["scaling", *arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        homes.simulated(tmp_path_factory.mktemp("home"), patch)
        yield worlds.ladder(BLURS, splits=("train", "validation", "test"))


@pytest.fixture(autouse=True)
def home(folders, monkeypatch):
    path = folders[0].resolve().parents[2]
    monkeypatch.setenv("MLXTS_HOME", str(path))
    return path


def test_the_ledger_is_written_and_shown(home):
    found = json.loads(call("ledger", "--json").stdout)
    table = pl.read_parquet(home / "outputs/results/scaling/ledger.parquet")
    assert found["rows"] == table.height
    assert len(found["runs"]) == 8
    assert "0.02M" in call("ledger").stdout
    assert "thrott" in call("ledger", "--columns").stdout


def test_a_fit_gives_laws_and_a_picture(home):
    found = json.loads(call("fit", "--draws", "60", "--json").stdout)
    assert [law["family"] for law in found["laws"]] == ["flat", "power", "power_floor", "bounded"]
    assert sum(law["chosen"] for law in found["laws"]) == 1
    results = home / "outputs/results/scaling"
    assert json.loads((results / "laws-parameters.json").read_text()) == found
    (picture,) = results.glob("parameters-*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert pl.read_csv(results / "laws-parameters.csv").height == 1 + 2 + 3 + 3
    shown = call("fit", "--draws", "50", "--parameters", "body").stdout
    assert "A x^-a" in shown
    assert "(exploratory)" in shown


def test_a_planted_gain_is_scaling_and_the_last_line_says_so(home):
    shown = call("verdict", "--draws", "100")
    last = shown.stdout.strip().splitlines()[-1]
    assert "(exploratory) along parameters: scaling, not replicated yet" in last
    assert "nats per decade, 95 % interval" in last
    assert "would have been seen with 80 %" in last
    record = json.loads((home / "outputs/results/scaling/verdict-parameters.json").read_text())
    assert record["schema"] == 2
    assert record["cells"][0]["word"] == "scaling"
    assert record["cells"][0]["label"] == "scaling, not replicated yet"
    assert record["cells"][0]["replicated"] is None
    cell = record["cells"][0]
    assert cell["seen"] == pytest.approx(2.8016 * cell["error"], rel=1e-4)
    assert record["mixed"]["effects"]["logN"][0] > 0.0
    assert "Mean forecast of the seeds" in shown.stdout
    sizes = [row["seeds"] for row in record["seed_ensembles"]]
    assert sizes == [cell["seeds"]] * len(BLURS)
    assert all(row["difference"] <= row["single"] for row in record["seed_ensembles"])
    comparison = next(iter(record["comparisons"].values()))
    assert comparison["confidence_set"][-1] == 3
    assert 0 not in comparison["confidence_set"]
    assert test_split_log.history() == []


def test_replication_reads_test_on_record():
    found = json.loads(call("verdict", "--draws", "60", "--replicate", "--json").stdout)
    assert found["cells"][0]["replicated"] is True
    assert [look["score_on"] for look in test_split_log.history()] == ["SPY"] * 8


def test_without_a_record_of_the_look_nothing_of_test_is_shown(home, tmp_path, monkeypatch):
    monkeypatch.setattr(test_split_log, "path", lambda: tmp_path)
    for command in (("verdict", "--draws", "60", "--replicate"), ("ledger", "--split", "test")):
        with pytest.raises(StorageError, match="on record"):
            call(*command, "--name", "unrecorded")
    assert not (home / "outputs/results/unrecorded").exists()


def test_the_same_command_gives_the_same_bytes(home):
    texts = []
    for _ in range(2):
        call("verdict", "--draws", "60", "--name", "twice")
        texts.append((home / "outputs/results/twice/verdict-parameters.json").read_bytes())
    assert texts[0] == texts[1]


def test_runs_may_be_named_and_must_differ(folders):
    with pytest.raises(RunError, match="differ in parameters"):
        call("verdict", folders[0].name, folders[1].name)


def test_without_runs_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    with pytest.raises(RunError, match="no finished run"):
        call("fit")


def test_a_surface_over_parameters_and_samples(tmp_path, monkeypatch):
    homes.simulated(tmp_path, monkeypatch)
    for share, worse in ((1.0, 0.0), (0.5, 0.4), (0.25, 0.8)):
        data = homes.SETTINGS["data"] | {"train_fraction": share}
        blurs = {name: blur + worse for name, blur in list(BLURS.items())[:2]}
        worlds.ladder(blurs, overrides={"data": data}, seeds=1)
    found = json.loads(call("fit", "--axis", "surface", "--draws", "50", "--json").stdout)
    chosen = {law["family"]: law for law in found["laws"]}
    assert set(chosen) == {
        "flat_surface", "power_surface", "kaplan", "additive",
    }  # fmt: skip
    assert chosen["power_surface"]["parameters"]["b"] > 0.0
    assert len(list((tmp_path / "outputs/results/scaling").glob("surface-*.png"))) == 1
    found = json.loads(call("verdict", "--axis", "history", "--draws", "50", "--json").stdout)
    cells = [cell for cell in found["cells"] if "reference" not in cell["name"]]
    assert [cell["sizes"] for cell in cells] == [3, 3]
    assert all(cell["gain"] > 0.0 for cell in cells)
    assert all("one seed" in cell["reason"] for cell in cells)


@pytest.mark.parametrize("command", ["ledger", "fit", "verdict"])
@pytest.mark.parametrize("name", ["../../x", "a/b", "/tmp/x", "..", ".", ""])
def test_results_stay_in_their_folder(command, name):
    with pytest.raises(ConfigError, match="--name"):
        call(command, "--name", name)
