import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxts.training.early_stopping import EarlyStopping, stopping_samples
from mlxts.training.losses import mean_loss
from tests.evaluation import worlds


@given(losses=st.lists(st.floats(0, 10), min_size=1, max_size=50), patience=st.integers(1, 10))
def test_it_stops_exactly_when_patience_looks_brought_nothing_better(losses, patience) -> None:
    state = EarlyStopping(patience)
    for step, loss in enumerate(losses):
        state = state.update(loss, step)
        seen = losses[: step + 1]
        assert state.best == min(seen)
        assert state.best_step == seen.index(min(seen))
        assert state.improved == (state.best_step == step)
        assert state.should_stop == (step - state.best_step >= patience)


def test_a_loss_that_is_not_a_number_is_never_the_best() -> None:
    state = EarlyStopping(2).update(float("nan"), 0)
    assert not state.improved
    assert state.update(1.0, 1).best == 1.0


def test_an_improvement_below_the_margin_does_not_count() -> None:
    state = EarlyStopping(5, min_delta=0.1).update(1.0, 0)
    assert not state.update(0.95, 1).improved
    assert state.update(0.85, 1).improved


def test_the_decisive_loss_is_of_all_samples_of_the_scored_asset_or_of_assets_alike() -> None:
    # B begins late, so that it has fewer validation days than A.
    bars = worlds.market(1000, seed=3, symbols=("A", "B"))
    late = (bars["symbol"] == "A") | (bars["date"] > worlds.calendar(1000)[650])
    validation = worlds.world(bars.filter(late)).samples["validation"]
    outputs = np.random.default_rng(0).normal(size=len(validation))

    def loss(chosen, weights=None) -> float:
        targets = validation.targets[chosen]
        return mean_loss(outputs[chosen], targets, binary=True, huber_delta=1.0, weights=weights)

    own = {symbol: np.flatnonzero(validation.symbols == symbol) for symbol in ("A", "B")}
    assert 30 < len(own["B"]) < 0.9 * len(own["A"])
    assert loss(*stopping_samples(validation, "samples", "A")) == loss(slice(None))
    assert loss(*stopping_samples(validation, "scored", "B")) == loss(own["B"])
    panel = loss(*stopping_samples(validation, "panel", "A"))
    assert panel == pytest.approx((loss(own["A"]) + loss(own["B"])) / 2, abs=1e-12)
    assert abs(panel - loss(slice(None))) > 1e-4
