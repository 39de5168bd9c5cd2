"""Folds in time: whatever the dates and horizons, no label day is learned from and scored."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.baselines import cross_validation
from mlxts.dataset.samples import Samples
from mlxts.losses import prior_logit
from tests.evaluation import worlds

FIRST = np.datetime64("2001-01-01")


def samples(days: np.ndarray, reach: np.ndarray) -> Samples:
    """Decisions on `days` (sorted, repeated where phases share one) with labels `reach` long."""
    dates, count = FIRST + days, len(days)
    zeros = np.zeros(count, dtype=np.int32)
    return Samples(
        rows=zeros,
        dates=dates,
        symbols=np.full(count, "A"),
        targets=np.zeros(count, dtype=np.float32),
        label_end=dates + reach,
        phases=zeros.astype(np.int16),
        daily_rows=zeros,
    )


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 30)), min_size=2, max_size=80),
    st.integers(1, 6),
)
def test_no_day_of_a_label_is_on_both_sides(drawn, count):
    drawn = sorted(drawn)
    known = samples(np.array([day for day, _ in drawn]), np.array([reach for _, reach in drawn]))
    for learned, scored in cross_validation.folds(known, count):
        # A label is of the days behind its decision, up to its end.
        assert known.label_end[learned].max() < known.dates[scored].min()
        assert not set(learned) & set(scored)


@settings(max_examples=50, deadline=None)
@given(st.integers(12, 300), st.integers(1, 10), st.integers(2, 5))
def test_every_sample_behind_the_first_block_is_scored_once(days, horizon, count):
    known = samples(np.arange(days), np.full(days, horizon))
    folds = cross_validation.folds(known, count)
    scored = np.concatenate([scored for _, scored in folds]) if folds else np.array([], int)
    assert len(np.unique(scored)) == len(scored)
    if horizon < days // (count + 1) - 1:
        assert len(folds) == count
        assert (np.sort(scored) == np.arange(days - len(scored), days)).all()


@pytest.mark.parametrize("task", ["direction", "regression"])
def test_the_loss_is_that_of_forecasts_from_before_each_block(task):
    world = worlds.world(worlds.market(900, seed=3), task)
    train = world.samples["train"]
    regression = task == "regression"

    def fit(data):
        targets = data.samples["train"].targets
        said = targets.mean(dtype=np.float64) if regression else prior_logit(targets)
        return lambda asked: np.full(len(asked), said)

    expected = []
    for learned, scored in cross_validation.folds(train):
        rate, happened = train.targets[learned].mean(dtype=np.float64), train.targets[scored]
        expected.append(
            (rate - happened) ** 2
            if regression
            else -np.log(np.where(happened > 0.5, rate, 1.0 - rate))
        )
    loss = cross_validation.loss(fit, world)
    assert loss == pytest.approx(np.concatenate(expected).mean(), rel=1e-6)
