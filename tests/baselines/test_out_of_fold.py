"""Out-of-fold forecasts: no training sample is forecast from its own label, nor from any that
shares a day with it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from mlxts.baselines import har, linear, out_of_fold
from mlxts.baselines.out_of_fold import Block, CrossFitted
from mlxts.dataset.samples import Dataset
from mlxts.losses import sample_losses
from tests.evaluation import worlds

FEATURES, HORIZON = 60, 5
REGRESS = {"har": partial(har.fit, measure="har"), "linear": linear.fit}
Fit = Callable[[Dataset, Callable], CrossFitted]


@pytest.fixture(scope="module")
def noise() -> Dataset:
    """Features that say nothing, and so many that a regression learns labels by heart."""
    data = worlds.world(worlds.market(600, seed=5), horizon=HORIZON)
    values = np.random.default_rng(4).normal(size=(data.bars.height, FEATURES))
    names = tuple(f"noise_{number}" for number in range(FEATURES))
    return replace(data, features=values.astype(np.float32), names=names)


def forecasts(data: Dataset, fitted: CrossFitted) -> np.ndarray:
    """Of the training samples."""
    train = data.samples["train"]
    ranges = har.ranges(data.daily)[train.daily_rows]

    def predict(model, chosen):
        if isinstance(model, har.ScaleModel):
            return model(ranges[chosen])
        return model(ranges[chosen], data.features[train.rows[chosen]])

    return fitted.forecast(train.dates, predict)


def leaking_blocks(data: Dataset, fit: Fit, regress: Callable) -> list[int]:
    """The blocks whose forecasts change with labels that share a day with theirs."""
    train = data.samples["train"]
    before = forecasts(data, fit(data, regress))
    leaking = []
    for number, (first, last, _) in enumerate(out_of_fold.blocks(train)):
        within = (train.dates >= first) & (train.dates <= last)
        # The label of a decision day t is made of the days t+1 ... label_end.
        shares_days = (train.dates < train.label_end[within].max()) & (train.label_end > first)
        flipped = np.where(shares_days, 1.0 - train.targets, train.targets).astype(np.float32)
        other = replace(data, samples={**data.samples, "train": replace(train, targets=flipped)})
        after = forecasts(other, fit(other, regress))
        if not np.array_equal(before[within], after[within]):
            leaking.append(number)
    return leaking


def in_sample(data: Dataset, regress: Callable) -> CrossFitted:
    """The planted look-ahead: fitted on the very rows that it forecasts."""
    return CrossFitted(regress(data), ())


def without_purge(data: Dataset, regress: Callable) -> CrossFitted:
    """A subtler one: blocks are left out, the labels that overlap theirs are not."""
    train, blocks = data.samples["train"], []
    for first, last, _ in out_of_fold.blocks(train):
        others = (train.dates < first) | (train.dates > last)
        model = regress(out_of_fold.with_train(data, others))
        blocks.append(Block(str(first), str(last), model))
    return CrossFitted(blocks[0].model, tuple(blocks))


@pytest.mark.parametrize("of", REGRESS)
def test_no_block_is_forecast_from_labels_that_share_its_days(noise, of):
    assert leaking_blocks(noise, out_of_fold.fit, REGRESS[of]) == []


@pytest.mark.parametrize("leak", [in_sample, without_purge])
def test_a_planted_look_ahead_is_caught(noise, leak):
    assert leaking_blocks(noise, leak, REGRESS["har"]) == list(range(out_of_fold.BLOCKS))


def test_what_was_learned_by_heart_does_not_flatter_the_training_rows(noise, monkeypatch):
    monkeypatch.setattr(linear, "PENALTIES", linear.PENALTIES[-1:])  # the weakest
    train = noise.samples["train"]

    def loss(fit: Fit) -> float:
        said = forecasts(noise, fit(noise, linear.fit))
        return float(sample_losses(said, train.targets, noise.task).mean())

    rate = train.targets.mean()
    base_rate = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    assert loss(in_sample) < 0.9 * base_rate
    assert loss(out_of_fold.fit) > base_rate


def test_blocks_cover_every_training_sample_once(noise):
    train = noise.samples["train"]
    covered = np.zeros(len(train), dtype=int)
    for first, last, learned in out_of_fold.blocks(train):
        within = (train.dates >= first) & (train.dates <= last)
        covered += within
        assert within[learned].sum() == 0
        # On both sides, and near: what is purged is a horizon before and after.
        assert len(train) - within.sum() - len(learned) <= 2 * HORIZON
    assert (covered == 1).all()


def test_days_after_training_are_forecast_by_the_fit_on_all_of_it(noise):
    fitted = out_of_fold.fit(noise, partial(har.fit, measure="har"))
    later = noise.samples["validation"]
    ranges = har.ranges(noise.daily)[later.daily_rows]
    said = fitted.forecast(later.dates, lambda model, chosen: model(ranges[chosen]))
    assert np.array_equal(said, har.fit(noise, "har")(ranges))


def test_an_asset_whose_positives_all_lie_in_one_block_is_not_estimable(noise):
    train = noise.samples["train"]
    targets = (np.arange(len(train)) < 40).astype(np.float32)
    few = replace(noise, samples={"train": replace(train, targets=targets)})
    assert har.obstacle(few) is None
    assert "without the block from" in str(out_of_fold.obstacle(few))
