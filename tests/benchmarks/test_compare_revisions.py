"""A comparison of revisions must see the smallest change of a number, and nothing else."""

import os
import shutil
from pathlib import Path

import mlx.core as mx
import numpy as np
import polars as pl
import pytest

from benchmarks import compare_revisions
from benchmarks.compare_revisions import NETWORK, DidNotTrain, differences, export, read, train_all
from tests import processes

FEATURE = "mlxts/training/step.py"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the smallest case, trained by the comparison itself."""
    home = tmp_path_factory.mktemp("home")

    def fork(tree: Path, home: Path, *arguments: str) -> None:
        environment = {**os.environ, "MLXTS_HOME": str(home), "MLXTS_THREADS": "1"}
        done = processes.run(arguments, env=environment, cwd=home)
        assert done.returncode == 0, done.stderr

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_revisions, "_mlxts", fork)  # the other way to start is tried below
        train_all(compare_revisions.ROOT, home, ["monthly"])
    (folder,) = (home / "outputs" / "runs").glob("*/")
    return folder


def _copy(finished: Path, target: Path) -> Path:
    return Path(shutil.copytree(finished, target / "another_name"))


def _found(one: Path, other: Path) -> list[str]:
    return list(differences(read(one).numbers, read(other).numbers))


def test_the_same_numbers_in_a_folder_of_another_name_are_equal(
    finished: Path, tmp_path: Path
) -> None:
    assert _found(finished, _copy(finished, tmp_path)) == []
    kinds = {name.split(".")[0] for name in read(finished).numbers}
    assert kinds == {"loss", "weights", "dates", "prediction", "score"}


def test_one_bit_of_one_weight_is_seen(finished: Path, tmp_path: Path) -> None:
    other = _copy(finished, tmp_path)
    path = other / "checkpoint" / "best" / "weights.safetensors"
    weights = mx.load(str(path))
    assert isinstance(weights, dict)
    name = max(str(name) for name in weights)
    changed = np.array(weights[name])
    changed.flat[-1] = np.nextafter(changed.flat[-1], np.float32(np.inf))
    mx.eval(weights)
    mx.save_safetensors(str(path), {**weights, name: mx.array(changed)})
    (seen,) = _found(finished, other)
    assert seen.startswith(f"1 weights differ, first weights.{name}")


def test_one_bit_of_one_prediction_and_a_missing_day_are_seen(
    finished: Path, tmp_path: Path
) -> None:
    other = _copy(finished, tmp_path)
    path = other / "predictions.parquet"
    rows = pl.read_parquet(path)
    logits = rows["logit"].to_numpy().copy()
    networks = np.flatnonzero(rows["model"] == NETWORK)[-1]
    logits[networks] = np.nextafter(logits[networks], np.inf)
    rows.with_columns(pl.Series("logit", logits)).write_parquet(path)
    assert [seen.split(",")[0] for seen in _found(finished, other)] == ["1 prediction differ"]
    rows.filter(pl.int_range(pl.len()) != networks).write_parquet(path)
    assert [seen.split(",")[0] for seen in _found(finished, other)] == [
        "1 dates differ",
        "1 prediction differ",
    ]


def test_a_score_that_one_revision_adds_is_no_difference_but_a_changed_one_is() -> None:
    old = {"score.validation.har.auc": np.array([0.7])}
    new = {**old, "score.validation.linear.auc": np.array([0.72])}
    assert list(differences(new, old)) == []
    assert list(differences({"score.validation.har.auc": np.array([0.7000000001])}, old))


def test_the_other_revision_is_the_one_that_git_knows(tmp_path: Path) -> None:
    tree = export("HEAD", tmp_path / "tree")
    assert (tree / FEATURE).is_file()
    with pytest.raises(DidNotTrain, match="no revision nowhere"):
        export("nowhere", tmp_path / "other")


def test_a_revision_that_cannot_train_says_why(tmp_path: Path) -> None:
    tree = export("HEAD", tmp_path / "tree")
    text = (tree / "configs" / "demo.yaml").read_text()
    (tree / "configs" / "demo.yaml").write_text(text.replace("task:", "tisk:"))
    with pytest.raises(DidNotTrain, match="tisk"):
        train_all(tree, tmp_path / "home", ["mixing"])
