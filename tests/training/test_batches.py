import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlxts.training.batches import Batches


def _batches(n: int, batch: int, micro: int, seed: int = 0) -> Batches:
    return Batches(np.arange(100, 100 + n), np.arange(n) % 2, batch, micro, seed)


@given(n=st.integers(1, 200), micro=st.integers(1, 9), parts=st.integers(1, 4))
def test_an_epoch_shows_every_sample_once_and_padding_weighs_nothing(n, micro, parts) -> None:
    batches = _batches(n, micro * parts, micro)
    seen: list[int] = []
    for step in range(batches.steps_per_epoch):
        batch = batches.at(step)
        rows, weights = np.array(batch.rows), np.array(batch.weights)
        assert rows.shape == weights.shape == (parts, micro)
        assert np.isclose(weights.sum(), 1.0)
        counted = rows[weights > 0]
        assert len(counted) == batch.samples
        assert np.array_equal(np.array(batch.targets)[weights > 0], (counted - 100) % 2)
        seen += counted.tolist()
    assert sorted(seen) == list(range(100, 100 + n))


@given(step=st.integers(0, 60))
def test_a_batch_depends_on_seed_and_step_alone(step: int) -> None:
    walked, jumped = _batches(100, 16, 8), _batches(100, 16, 8)
    for earlier in range(step):
        walked.at(earlier)
    for a, b in zip(walked.at(step), jumped.at(step), strict=True):
        assert np.array_equal(np.array(a), np.array(b))


def test_epochs_seeds_and_steps_differ() -> None:
    batches = _batches(64, 16, 8)
    assert not np.array_equal(np.array(batches.at(0).rows), np.array(batches.at(4).rows))
    other = _batches(64, 16, 8, seed=1)
    assert not np.array_equal(np.array(batches.at(0).rows), np.array(other.at(0).rows))
    keys = {tuple(np.array(batches.at(s).keys).ravel()) for s in range(20)}
    assert len(keys) == 20


def test_the_layout_of_a_batch_does_not_change_its_samples() -> None:
    one, four = _batches(128, 128, 128), _batches(128, 128, 32)
    assert np.array_equal(np.array(one.at(0).rows).ravel(), np.array(four.at(0).rows).ravel())
