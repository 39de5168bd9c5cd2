from hypothesis import given
from hypothesis import strategies as st

from mlxts.training.early_stopping import EarlyStopping


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
