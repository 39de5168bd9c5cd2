"""What docs/interoperability.md and docs/python_api.md show, done as it is shown."""

import re
from datetime import date
from pathlib import Path

import mlx.core as mx
import numpy as np
import polars as pl
import pytest

import mlxts
from mlxts.interop import imported_models
from mlxts.scaling import ledger
from tests.interop import golden

DOCUMENT = Path(__file__).parents[2] / "docs" / "interoperability.md"


def _block(language: str, holds: str) -> str:
    text = DOCUMENT.read_text(encoding="utf-8")
    (found,) = [
        block for block in re.findall(rf"```{language}\n(.*?)```", text, re.S) if holds in block
    ]
    return found


@pytest.fixture
def collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    """A ledger of four runs at the place where the document looks for it."""
    monkeypatch.chdir(tmp_path)
    rng, rows = np.random.default_rng(0), []
    for budget, seed in [("2M", 0), ("2M", 1), ("20M", 0), ("20M", 1)]:
        for day in range(1, 7):
            row = {name: _value(kind, rng) for name, kind in ledger.SCHEMA.items()}
            row |= {"budget": budget, "seed": seed, "features": 20, "date": date(2023, 1, day)}
            rows.append(row | {"split": "validation", "canonical": day < 5, "run": budget})
    table = pl.DataFrame(rows, schema=ledger.SCHEMA)
    ledger.write(Path("outputs/results/scaling/ledger.parquet"), table)
    return table


def _value(kind: pl.DataType, rng: np.random.Generator) -> object:
    if kind == pl.String:
        return "x"
    if kind == pl.Int64:
        return int(rng.integers(100))
    return bool(rng.integers(2)) if kind == pl.Boolean else float(rng.random())


def _means(table: pl.DataFrame) -> pl.DataFrame:
    keys = ["budget", "features", "seed"]
    rows = table.filter("canonical", split="validation")
    return rows.group_by(keys).agg(pl.col("loss", "loss_har").mean()).sort(keys)


def test_duckdb_reads_the_ledger_by_its_columns(collected: pl.DataFrame) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = "outputs/results/scaling/ledger.parquet"
    described = duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()
    kinds: dict[type[pl.DataType], str] = {
        pl.String: "VARCHAR", pl.Int64: "BIGINT", pl.Float64: "DOUBLE", pl.Boolean: "BOOLEAN",
        pl.Date: "DATE",
    }  # fmt: skip
    wanted = [(name, kinds[kind.base_type()]) for name, kind in ledger.SCHEMA.items()]
    assert [row[:2] for row in described] == wanted
    found = duckdb.sql(_block("sql", "SELECT")).fetchall()
    means = _means(collected)
    assert [row[:3] for row in found] == means.select("budget", "features", "seed").rows()
    assert {row[3] for row in found} == {4}
    np.testing.assert_allclose([row[4] for row in found], means["loss"])
    np.testing.assert_allclose([row[5] for row in found], means["loss"] - means["loss_har"])


def test_pandas_reads_the_ledger_by_its_columns(
    collected: pl.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    space: dict = {}
    exec(_block("python", "read_parquet"), space)
    assert list(space["ledger"].columns) == ledger.SCHEMA.names()
    assert len(space["days"]) == 16
    shown = capsys.readouterr().out
    for value in _means(collected)["loss"]:
        assert f"{value:.6f}"[:5] in shown


def test_the_block_on_imported_models_runs(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    imported_models.from_huggingface(
        golden.folder(golden.load("max_pooling"), tmp_path / "a"), "theirs"
    )
    space: dict = {}
    exec(_block("python", "mlxts.load_model"), space)
    assert space["outputs"].shape == (1, 2)


def test_the_block_on_weights_runs(tmp_path: Path, monkeypatch) -> None:
    import json

    monkeypatch.chdir(tmp_path)
    shape = mlxts.Shape(
        channels="mixing", features=3, context=12, patch_length=4, stride=4, d_model=8, depth=1,
        heads=2, ffn_dim=8, rank=2,
    )  # fmt: skip
    model = mlxts.PatchTST(shape, seed=1)
    Path("outputs/exports").mkdir(parents=True)
    model.save_weights("outputs/exports/plain.safetensors")
    weights = mx.load("outputs/exports/plain.safetensors")
    assert isinstance(weights, dict)
    mx.save_safetensors(
        "outputs/exports/RUN.safetensors",
        weights,
        metadata={"shape": json.dumps(shape.to_dict())},
    )
    space: dict = {}
    exec(_block("python", "return_metadata"), space)
    x = mx.ones((2, 12, 3))
    assert mx.array_equal(space["model"](x), model.eval()(x))
