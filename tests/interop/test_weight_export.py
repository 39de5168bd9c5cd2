"""Trained runs as files of other libraries, and models of theirs as ours."""

import json
import shutil
from datetime import date
from pathlib import Path

import mlx.core as mx
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import mlxts
from mlxts import files
from mlxts.cli.app import app
from mlxts.errors import CheckpointError, ConfigError, DataError, InteropError, RunError
from mlxts.interop import huggingface, imported_models
from mlxts.runs import layout, predictions
from mlxts.training import run as training
from tests import homes
from tests.interop import golden
from tests.model.fixtures import make

SMALL = {"context": 16, "patch_length": 4, "stride": 4}
POOLED = {
    **SMALL, "channels": "independent", "head": "mean", "norm": "batch", "revin": {"affine": True},
}  # fmt: skip
SHORT = {"max_epochs": 1, "validations_per_epoch": 1, "batch_size": 128}
RUNS = {
    "house": {"model": SMALL},
    "pooled": {"model": POOLED},
    "returns": {"model": {**POOLED, "norm": "layer"}, "task": "regression"},
}


def _call(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Path]:
    """Folders of finished runs: one as ever, a classifier and a regression with a counterpart."""
    with pytest.MonkeyPatch.context() as patch:
        homes.simulated(tmp_path_factory.mktemp("home"), patch, first=date(2020, 1, 2))
        return {
            name: homes.trained({**changes, "training": SHORT}) for name, changes in RUNS.items()
        }


@pytest.fixture(autouse=True)
def home(trained, monkeypatch) -> Path:
    folder = trained["house"].parents[2]
    monkeypatch.setenv("MLXTS_HOME", str(folder))
    return folder


def _windows(trained: training.Trained, split: str = "validation") -> np.ndarray:
    data = trained.plan.dataset
    rows = data.samples[split].rows[:40]
    return data.features[rows[:, None] + np.arange(1 - data.context, 1)]


@pytest.mark.parametrize("name", ["pooled", "returns"])
def test_an_exported_run_predicts_what_is_on_record(name: str, trained) -> None:
    folder = Path(_call("export", str(trained[name]), "--to", "huggingface").strip())
    loaded = training.load(trained[name])
    model = huggingface.read(folder).built()
    _agrees(np.array(model(mx.array(_windows(loaded)))), _on_record(loaded))
    said = json.loads((folder / "mlxts.json").read_text())
    assert said["channels"] == list(loaded.plan.dataset.names)
    assert said["run_id"] == trained[name].name


@pytest.mark.parametrize("name", ["pooled", "returns"])
def test_the_library_loads_an_exported_run_and_predicts_the_same(name: str, trained) -> None:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = Path(_call("export", str(trained[name]), "--to", "huggingface").strip())
    kind = json.loads((folder / "config.json").read_text())["architectures"][0]
    theirs = getattr(transformers, kind).from_pretrained(folder).eval()
    loaded = training.load(trained[name])
    _agrees(make.says(theirs, _windows(loaded)), _on_record(loaded))


def _on_record(trained: training.Trained) -> np.ndarray:
    """Of the first rows of validation, which are in the order of the dates."""
    dates = trained.plan.dataset.samples["validation"].dates
    assert np.array_equal(np.argsort(dates, kind="stable"), np.arange(len(dates)))
    rows = mlxts.load_predictions(trained.plan.run_id, "validation")
    return rows["logit" if "logit" in rows.columns else "predicted"].to_numpy()[:40]


def _agrees(outputs: np.ndarray, on_record: np.ndarray) -> None:
    said = outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs[:, 0]
    np.testing.assert_allclose(said, on_record, atol=1e-5, rtol=1e-5)


def test_a_run_without_a_counterpart_says_how_to_train_one(trained, home: Path) -> None:
    with pytest.raises(InteropError, match=r"model\.channels=independent --set model\.head=mean"):
        _call("export", str(trained["house"]), "--to", "huggingface")
    assert not list((home / "outputs").glob(f"exports/{trained['house'].name}*"))


@pytest.mark.parametrize("to", ["safetensors", "npz"])
def test_weights_that_go_are_those_of_the_best_look(to: str, trained) -> None:
    target = trained["house"].parents[1] / f"some.{to}"
    assert _call("export", trained["house"].name, "--to", to, "-o", str(target)).strip() == str(
        target
    )
    run = mlxts.load_run(trained["house"])
    if to == "npz":
        stored = dict(np.load(target))
        said = {key[6:]: str(stored.pop(key)) for key in list(stored) if key.startswith("about/")}
    else:
        arrays, said = mx.load(str(target), return_metadata=True)
        assert isinstance(arrays, dict)
        assert isinstance(said, dict)
        stored = {name: np.array(value) for name, value in arrays.items()}
    assert said["run_id"] == run.id
    model = mlxts.PatchTST(mlxts.Shape(**json.loads(said["shape"])), seed=99)
    model.load_weights([(name, mx.array(value)) for name, value in stored.items()])
    loaded = training.load(trained["house"])
    assert not (model.eval().training or loaded.model.training or run.model().training)
    x = mx.array(_windows(loaded))
    assert np.array_equal(np.array(model(x)), np.array(run.model()(x)))


@pytest.mark.parametrize("to", ["safetensors", "npz", "huggingface"])
def test_a_damaged_best_checkpoint_is_never_replaced_by_the_one_before(
    to: str, trained, tmp_path: Path
) -> None:
    run = trained["pooled"]
    folder = tmp_path / run.name
    shutil.copytree(run, folder)
    best, before = folder / "checkpoint" / "best", folder / "checkpoint" / "best.previous"
    shutil.rmtree(before, ignore_errors=True)
    shutil.copytree(best, before)
    state = json.loads((before / "state.json").read_text())
    (before / "state.json").write_text(json.dumps(state | {"step": state["step"] - 1}))
    weights = best / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    target = tmp_path / f"weights.{to}"
    with pytest.raises(CheckpointError, match=r"best: weights.safetensors is damaged.* again"):
        _call("export", str(folder), "--to", to, "-o", str(target))
    assert not target.exists()


def test_weights_go_to_a_file_that_is_named_as_one(trained, tmp_path: Path) -> None:
    target = tmp_path / "weights.bin"
    with pytest.raises(InteropError, match=r"weights\.bin: .* ends in \.safetensors"):
        _call("export", trained["house"].name, "--to", "safetensors", "-o", str(target))
    assert list(tmp_path.iterdir()) == []


def test_the_safetensors_library_reads_the_file(trained, home: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    path = _call("export", trained["house"].name, "--to", "safetensors").strip()
    arrays, ours = numpy.load_file(path), mx.load(path)
    assert isinstance(ours, dict)
    assert {name: value.shape for name, value in arrays.items()} == {
        name: tuple(value.shape) for name, value in ours.items()
    }


@pytest.mark.parametrize("to", ["parquet", "csv"])
def test_predictions_go_as_a_table(to: str, trained) -> None:
    said = json.loads(_call("export", trained["house"].name, "--to", to, "--json"))
    read = pl.read_parquet if to == "parquet" else pl.read_csv
    table = read(said["path"])
    if to == "csv":
        table = table.with_columns(pl.col("date").str.to_date())
    written = predictions.read(trained["house"] / layout.PREDICTIONS)
    assert table.equals(written.filter(model="patchtst"))


def test_a_run_in_python_is_what_its_folder_holds(trained) -> None:
    run = mlxts.load_run(trained["pooled"].name)
    assert run.id == trained["pooled"].name
    assert run.config.model.norm == "batch"
    assert run.shape.to_dict() == run.record["shape"]
    assert run.summary["verdict"].startswith("patchtst")
    steps = run.metrics().filter(split="train")
    assert steps["step"].to_list() == list(range(1, run.summary["steps"] + 1))
    rows = run.predictions()
    assert set(rows["split"]) == {"train", "validation"}
    assert mlxts.load_predictions(run.id, "train").height == rows.filter(split="train").height
    loaded = training.load(trained["pooled"])
    x = mx.array(_windows(loaded))
    assert np.array_equal(np.array(run.model()(x)), np.array(loaded.model(x)))


def test_a_run_that_is_not_there_or_not_done_says_so(trained, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="absent is no run"):
        mlxts.load_run("absent")
    with pytest.raises(ConfigError, match="split: tomorrow"):
        mlxts.load_predictions(trained["house"], "tomorrow")
    files.write_text(tmp_path / "run.json", (trained["house"] / "run.json").read_text())
    with pytest.raises(RunError, match=r"no summary\.json yet"):
        _ = mlxts.load_run(tmp_path).summary


@pytest.mark.parametrize("name", ["defaults", "forecast_flat"])
def test_a_model_that_comes_is_kept_under_its_name_and_can_go_back(
    name: str, tmp_path: Path, home: Path
) -> None:
    stored = golden.load(name)
    source = golden.folder(stored, tmp_path / name)
    said = _call("import", "huggingface", str(source))
    assert f"mlxts.load_model('{name}')" in said
    outputs = np.array(mlxts.load_model(name)(mx.array(stored.x)))
    np.testing.assert_allclose(outputs, stored.y, **golden.TOLERANCE)
    back = Path(_call("export", name, "--to", "huggingface").strip())
    again = np.array(huggingface.read(back).built()(mx.array(stored.x)))
    assert np.array_equal(again, outputs)
    weights = _call("export", name, "--to", "npz").strip()
    assert "embed.weight" in np.load(weights)
    with pytest.raises(InteropError, match="has predicted nothing"):
        _call("export", name, "--to", "csv")


def test_a_name_belongs_to_one_model(tmp_path: Path) -> None:
    first = golden.folder(golden.load("layernorm"), tmp_path / "a")
    other = golden.folder(golden.load("max_pooling"), tmp_path / "b")
    for _ in range(2):
        said = json.loads(_call("import", "huggingface", str(first), "--name", "mine", "--json"))
    assert said["shape"]["norm_type"] == "layernorm"
    with pytest.raises(InteropError, match="another model is named mine"):
        _call("import", "huggingface", str(other), "--name", "mine")
    with pytest.raises(InteropError, match="no model yours"):
        mlxts.load_model("yours")


def test_a_model_whose_files_are_damaged_is_named(tmp_path: Path, home: Path) -> None:
    source = golden.folder(golden.load("one_channel"), tmp_path / "source")
    folder = Path(_call("import", "huggingface", str(source), "--name", "damaged").split()[-1])
    (folder / "weights.safetensors").write_bytes(b"torn")
    with pytest.raises(InteropError, match="import the model again"):
        mlxts.load_model("damaged")
    (folder / "model.json").write_text("{")
    with pytest.raises(InteropError, match=r"model\.json is damaged"):
        mlxts.load_model("damaged")


def test_a_split_that_was_not_opened_is_no_empty_table(trained: dict[str, Path]) -> None:
    with pytest.raises(DataError, match=r"no predictions of test yet; `mlxts evaluate .* --split"):
        mlxts.load_predictions(trained["returns"], "test")


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", ".hidden", ""])
def test_a_model_stays_in_its_folder(name: str, tmp_path: Path) -> None:
    folder = golden.folder(golden.load("defaults"), tmp_path)
    before = sorted(files.home().rglob("*"))
    with pytest.raises(InteropError, match="no name of a model"):
        imported_models.from_huggingface(folder, name)
    assert sorted(files.home().rglob("*")) == before


@pytest.mark.parametrize("change", [lambda b: b[:-4], lambda b: b + b"more", lambda b: b[:5]])
def test_weights_that_are_cut_or_longer_than_they_say_are_refused(
    tmp_path: Path, home: Path, change
) -> None:
    source = golden.folder(golden.load("one_channel"), tmp_path / "source")
    folder = Path(_call("import", "huggingface", str(source), "--name", "cut").split()[-1])
    for path in (folder / "weights.safetensors", source / "model.safetensors"):
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InteropError, match="import the model again"):
        mlxts.load_model("cut")
    with pytest.raises(InteropError, match="cannot be read as safetensors"):
        _call("import", "huggingface", str(source), "--name", "other")
