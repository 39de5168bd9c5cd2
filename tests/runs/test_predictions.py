"""predictions.parquet: what is written is read back, and nothing else passes for it."""

import resource
import signal

import numpy as np
import polars as pl
import pytest

from mlxts.errors import DataError, StorageError
from mlxts.evaluation.reference import fit_baselines
from mlxts.runs import layout, predictions
from tests.evaluation import worlds


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    world = worlds.world(worlds.market(400, seed=1, symbols=("A", "B")))
    return fit_baselines(world, ("train", "validation", "test"), ["har"]).tables["har"]


def test_a_table_survives_the_file(tmp_path, table):
    path = tmp_path / "run" / layout.PREDICTIONS
    predictions.write(path, table.sample(fraction=1.0, shuffle=True, seed=0))
    assert predictions.read(path).equals(table)
    assert [entry.name for entry in path.parent.iterdir()] == [layout.PREDICTIONS]


def test_a_split_is_replaced_and_the_others_stay(tmp_path, table):
    path = tmp_path / layout.PREDICTIONS
    predictions.write(path, table)
    anew = table.filter(split="test").with_columns(logit=pl.lit(0.5))
    assert predictions.replace_split(path, anew).height == table.height
    found = predictions.read(path)
    assert found.filter(split="test").equals(anew)
    assert found.filter(pl.col("split") != "test").equals(table.filter(pl.col("split") != "test"))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda t: t.drop("logit"), "its columns must be model String, date Date"),
        (lambda t: t.with_columns(pl.col("logit").cast(pl.Float32)), "its columns must be"),
        (lambda t: t.with_columns(split=pl.lit("valid")), "names the split valid"),
        (lambda t: t.with_columns(logit=pl.lit(np.nan)), "diverged"),
        (lambda t: t.with_columns(target=pl.lit(None, dtype=pl.Float64)), "not a finite number"),
        (lambda t: pl.concat([t, t.head(1)]), "twice"),
    ],
)
def test_what_is_no_table_of_predictions_is_refused_in_one_line(tmp_path, table, spoil, complaint):
    path = tmp_path / layout.PREDICTIONS
    with pytest.raises(DataError, match=complaint) as refusal:
        predictions.write(path, spoil(table))
    assert "\n" not in str(refusal.value)
    assert not path.exists()
    spoil(table).write_parquet(path)
    with pytest.raises(DataError, match=complaint):
        predictions.read(path)


def test_a_missing_or_broken_file_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="train the run to its end"):
        predictions.read(tmp_path / "none.parquet")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"not parquet")
    with pytest.raises(DataError, match="predicted again") as refusal:
        predictions.read(broken)
    assert "\n" not in str(refusal.value)


def test_a_full_disk_leaves_the_old_table(tmp_path, table):
    path = tmp_path / "predictions.parquet"
    predictions.write(path, table)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(StorageError, match="free some disk space"):
            predictions.write(path, table)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
