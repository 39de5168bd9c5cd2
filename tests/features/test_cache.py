"""Features are computed once for what decides them, and read after that."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlxts import code_version
from mlxts.config.data import DataConfig
from mlxts.data import panel, store
from mlxts.data.artifacts import ProcessedArtifact
from mlxts.data.panel import Panel
from mlxts.errors import ConfigError, IntegrityError
from mlxts.features import cache, engine, tiers
from tests.features.bars import path


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))


def _registered(*symbols: str, rows: int = 300, seed: int = 0) -> Panel:
    for symbol in symbols:
        bars = path(rows, seed=seed + len(symbol)).drop("symbol")
        raw = bars.with_columns(
            pl.lit(None, dtype=pl.Float64).alias("adj_close"),
            pl.lit(0.0).alias("dividends"),
            pl.lit(0.0).alias("splits"),
        )
        store.register_raw(raw, source="files", symbol=symbol, parameters={})
    return panel.load(DataConfig(source="files", symbols=symbols, score_on=symbols[0]))


def _load(loaded: Panel, tier: int) -> tuple[pl.DataFrame, ProcessedArtifact]:
    """The features, and the artifact that they are in."""
    frame, artifact = cache.load(loaded, tier, "daily")
    assert artifact is not None
    return frame.collect(), artifact


def _never(*_: object) -> None:
    raise AssertionError("computed again")


def test_the_frame_is_what_the_engine_builds() -> None:
    loaded = _registered("A", "BB")
    frame, built = _load(loaded, 20)
    assert_frame_equal(frame, engine.build(loaded.frame, tiers.tier(20)), check_exact=True)
    assert built.tier == 20
    assert built.source_raw_md5s == sorted(one.md5 for one in loaded.artifacts)
    assert (built.first, built.last) == (date(1990, 1, 1), frame["date"].max())
    assert built in store.processed_artifacts()


def test_an_unchanged_request_is_read_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = _registered("A")
    first, built = _load(loaded, 20)
    monkeypatch.setattr(engine, "build", _never)
    second, again = _load(loaded, 20)
    assert again == built
    assert_frame_equal(first, second, check_exact=True)


def test_other_bars_another_tier_or_other_definitions_are_other_artifacts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = _registered("A")
    _, first = _load(loaded, 20)
    _, wider = _load(loaded, 50)
    _, longer = _load(_registered("A", rows=301), 20)
    monkeypatch.setattr(code_version, "of", lambda modules: "of another revision")
    _, revised = _load(loaded, 20)
    assert len({one.sha256 for one in (first, wider, longer)}) == 3
    assert wider.dataset != first.dataset
    assert (first.version, longer.version, revised.version) == (1, 2, 3)


def test_a_changed_file_is_not_read() -> None:
    loaded = _registered("A")
    _, built = _load(loaded, 20)
    built.file.chmod(0o644)
    built.file.write_bytes(built.file.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="was changed"):
        _load(loaded, 20)


def test_a_tier_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="no tier of 7"):
        cache.load(_registered("A"), 7, "daily")


def test_features_whose_file_is_gone_are_computed_again_into_its_place() -> None:
    loaded = _registered("A")
    first, built = _load(loaded, 20)
    built.file.chmod(0o644)
    built.file.write_bytes(b"other")
    with pytest.raises(IntegrityError, match="delete it: features are computed again"):
        _load(loaded, 20)
    built.file.unlink()
    second, again = _load(loaded, 20)
    assert again == built
    assert store.verify().ok
    assert_frame_equal(first, second, check_exact=True)


def test_runs_of_earlier_versions_find_their_features_unchanged() -> None:
    """By this hash a run knows its data again; it may change with a formula and nothing else."""
    known = "116577f0965898275b65b944b48328f3255deef9a9299907c5f27248bd4c8a15"
    assert cache.definitions_hash(("range_1_relative_250", "range_5_relative_250")) == known


def test_a_kernel_that_computes_something_else_makes_other_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = _registered("A")
    before = cache.recipe(loaded, 20, "daily")
    monkeypatch.setattr(engine, "REVISION", engine.REVISION + 1)
    assert cache.recipe(loaded, 20, "daily") != before
