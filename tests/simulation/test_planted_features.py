"""Planted features become the inputs of a model as they stand, in their order."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from mlxts.config.loading import build_config
from mlxts.data import store
from mlxts.data.sources.base import PLANTED
from mlxts.dataset.build import build_dataset
from mlxts.errors import ConfigError, DataError
from mlxts.simulation.source import SimulatedSource


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    return tmp_path


def register(kind: str, *symbols: str) -> None:
    source = SimulatedSource(kind, first=date(2021, 6, 1), last=date(2024, 6, 28))
    for symbol in symbols:
        fetched = source.fetch(symbol)
        store.register_raw(
            fetched.frame, source="simulated", symbol=symbol, parameters=fetched.parameters
        )


def settings(*symbols: str, tier: int = 20, **values):
    given = {"name": "t", "mode": "exploratory", "task": "direction"}
    data = {"source": "simulated", "symbols": list(symbols), "score_on": symbols[0]}
    features = {"source": "simulated", "tier": tier}
    return build_config({**given, "data": data, "features": features, **values})


def test_a_model_reads_the_numbers_of_the_artifact(workspace: Path) -> None:
    register("zipf", "A", "B")
    built = build_dataset(settings("A", "B"))
    stored = [store.load(store.find(s, ["simulated"]))[PLANTED].to_numpy() for s in ("A", "B")]
    np.testing.assert_array_equal(built.features, np.concatenate(stored))
    assert built.names == tuple(f"planted_{i}" for i in range(1, 21))
    assert "oracle_direction_h1" in built.daily.columns
    # There is no warm-up: the first window ends where the context is full.
    assert built.samples["train"].rows.min() == built.context - 1
    assert store.processed_artifacts() == []


def test_a_tier_is_the_first_features(workspace: Path) -> None:
    register("teacher", "A")
    few, many = (build_dataset(settings("A", tier=tier)) for tier in (20, 500))
    np.testing.assert_array_equal(many.features[:, :20], few.features)
    assert few.data_hash != many.data_hash


def test_bars_without_planted_features_are_refused(workspace: Path) -> None:
    register("gbm", "A")
    register("zipf", "B")
    for symbols in (("A",), ("A", "B")):
        with pytest.raises(DataError, match="without planted features"):
            build_dataset(settings(*symbols))
    with pytest.raises(DataError, match="20 planted features, not 50"):
        build_dataset(settings("B", tier=50))


def test_planted_features_are_daily_and_exploratory() -> None:
    with pytest.raises(ConfigError, match="simulated features need timescale: daily"):
        settings("A", timescale="weekly")
    with pytest.raises(ConfigError, match=r"features\.source: simulated is fixed at indicators"):
        build_config({"name": "t", "features": {"source": "simulated"}})


def test_a_switch_that_is_off_leaves_old_runs_their_names() -> None:
    plain = build_config({"name": "t"})
    spelled = build_config(
        {"name": "t", "features": {"source": "indicators"}, "data": {"rotate_labels_years": 0}}
    )
    shifted = build_config({"name": "t", "mode": "exploratory", "data": {"rotate_labels_years": 1}})
    assert plain.hash == spelled.hash
    assert plain.hash != shifted.hash
