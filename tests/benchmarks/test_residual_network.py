"""What is found over a reference: the score, and that a hidden layer starts at the reference."""

from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from benchmarks import residual_network
from benchmarks.harness import Skip
from benchmarks.residual_network import LastBar, World
from mlxts.training import residual_reference
from tests.evaluation import worlds


def test_it_is_skipped_where_row_d_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    with pytest.raises(Skip, match="row D of the dataset matrix"):
        residual_network.measure(quick=True)


def test_a_level_of_its_own_is_no_part_of_what_is_left_at_the_best_level() -> None:
    data = worlds.world(worlds.market(600, seed=21, symbols=("A", "B")))
    reference = residual_reference.fit(data, "har")
    world = World(data, reference, reference(data))
    logits = world.forecast[data.samples["validation"].rows]
    same, shifted = (world.over("validation", logits + shift) for shift in (0.0, 0.7))
    assert same["minus"] == 0.0
    assert shifted["minus"] > 0.01
    assert shifted["levelled"] == pytest.approx(0.0, abs=1e-6)
    sharper = replace(world, forecast=0.5 * world.forecast).over("validation", logits)
    assert sharper["levelled"] < -1e-3


def test_the_hidden_layer_starts_at_the_offset() -> None:
    columns = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    network = LastBar(columns, seed=0)
    bars = np.hstack([columns, np.arange(50, dtype=np.float32)[:, None]])
    outputs = network.forward(mx.array(bars[:, None]))
    assert np.array_equal(np.array(outputs), np.arange(50, dtype=np.float32))
