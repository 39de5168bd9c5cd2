"""Boosted trees: what they start from, what they find over it, and that HAR is read out of fold."""

from dataclasses import replace

import numpy as np
import pytest

from mlxts.baselines import out_of_fold, trees
from mlxts.baselines.base import Baseline
from mlxts.baselines.base_rate import BaseRate
from mlxts.baselines.har import ScaleRegression
from mlxts.baselines.linear import Linear
from mlxts.baselines.trees import Trees
from mlxts.dataset.samples import Dataset, of_symbol, with_train
from mlxts.losses import sample_losses
from tests.evaluation import worlds

DAYS = 2500


def world(task: str = "threshold_1pct", symbols: tuple[str, ...] = ("A",)) -> Dataset:
    data = worlds.world(worlds.market(DAYS, seed=1, symbols=symbols), task)
    noise = np.random.default_rng(0).normal(size=(data.bars.height, 3)).astype(np.float32)
    return replace(data, features=noise, names=("a", "b", "c"))


def with_targets(data: Dataset, targets: np.ndarray) -> Dataset:
    """Of each daily bar."""
    samples = {
        name: replace(part, targets=targets[part.daily_rows].astype(np.float32))
        for name, part in data.samples.items()
    }
    return replace(data, samples=samples)


def loss(baseline: Baseline, data: Dataset) -> float:
    samples = data.samples["validation"]
    return float(sample_losses(baseline.fit(data)(samples), samples.targets, data.task).mean())


def test_they_find_what_no_line_does():
    data = world()
    either = data.features[:, 0] * data.features[:, 1] > 0
    data = with_targets(data, either)
    assert loss(Trees(), data) < 0.5 * min(loss(Linear(), data), loss(ScaleRegression("har"), data))


def test_where_there_is_nothing_to_find_they_cost_little_over_har():
    data = world(symbols=("A", "B"))
    both = [loss(ScaleRegression("har"), of_symbol(data, symbol)) for symbol in "AB"]
    assert loss(Trees(), data) < 1.05 * np.mean(both) < loss(BaseRate(), data)


def test_returns_start_from_har_and_not_from_a_constant():
    data = world("regression")
    log_range = np.log(data.daily["high"].to_numpy() / data.daily["low"].to_numpy())
    data = with_targets(data, 0.01 * np.log(np.maximum(log_range, 1e-4)))
    assert loss(ScaleRegression("har"), data) < 1e-9
    assert loss(Trees(), data) < 1e-8


@pytest.mark.parametrize("symbols", [("A",), ("A", "B")])
def test_har_beneath_them_has_not_seen_the_block_that_it_speaks_about(symbols):
    data = world(symbols=symbols)
    train = data.samples["train"]
    first, last, _ = out_of_fold.blocks(train)[2]
    within = (train.dates >= first) & (train.dates <= last)
    flipped = replace(train, targets=np.where(within, 1.0 - train.targets, train.targets))
    told = replace(data, samples={**data.samples, "train": flipped})
    ours, theirs = (trees.reference(one)(train) for one in (data, told))
    np.testing.assert_array_equal(ours[within], theirs[within])
    assert (ours[~within] != theirs[~within]).all()
    later = data.samples["validation"]
    whole = trees.reference(data)(later)
    for symbol in symbols:
        own = of_symbol(data, symbol)
        np.testing.assert_array_equal(
            whole[later.symbols == symbol],
            ScaleRegression("har").fit(own)(own.samples["validation"]),
        )


def test_an_asset_without_a_history_has_the_har_of_all_beneath():
    data = world(symbols=("A", "B"))
    data = with_train(data, data.samples["train"].symbols == "B")
    samples = of_symbol(data, "A").samples["validation"]
    np.testing.assert_array_equal(
        trees.reference(data)(samples), ScaleRegression("har").fit(data)(samples)
    )


def test_of_too_many_numbers_every_kth_sample_is_learned_from(monkeypatch):
    data = world()
    samples, train = data.samples["validation"], data.samples["train"]
    every = Trees().fit(data)(samples)
    monkeypatch.setattr(trees, "_NUMBERS", 3 * len(train) // 2)
    odd = replace(train, targets=np.where(np.arange(len(train)) % 2, 0.0, train.targets))
    assert (Trees().fit(data)(samples) != every).any()
    monkeypatch.setattr(trees, "reference", lambda data: lambda samples: np.zeros(len(samples)))
    ours, theirs = (
        Trees().fit(replace(data, samples={**data.samples, "train": one}))(samples)
        for one in (train, odd)
    )
    np.testing.assert_array_equal(ours, theirs)


def test_they_learn_from_the_assets_that_the_network_learns_from():
    data = world(symbols=("A", "B"))
    train, samples = data.samples["train"], of_symbol(data, "A").samples["validation"]
    other = np.where(train.symbols == "B", 1.0 - train.targets, train.targets)
    flipped = replace(data, samples={**data.samples, "train": replace(train, targets=other)})
    chosen = (replace(one, train_symbols=("A",)) for one in (data, flipped))
    ours, theirs, every, every_flipped = (
        Trees().fit(one)(samples) for one in (*chosen, data, flipped)
    )
    np.testing.assert_array_equal(ours, theirs)
    assert (every != every_flipped).any()
