import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlxts.training.sampler import Batches


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


@given(parts=st.sampled_from([1, 2, 4, 16]), step=st.integers(0, 9), n=st.integers(1, 128))
def test_the_layout_of_a_batch_changes_neither_its_samples_nor_their_keys(parts, step, n) -> None:
    one, cut = _batches(n, 32, 32).at(step), _batches(n, 32, 32 // parts).at(step)
    for whole, pieces in zip(one[:-1], cut[:-1], strict=True):
        assert pieces.shape[:2] == (parts, 32 // parts)
        assert np.array_equal(np.array(whole).ravel(), np.array(pieces).ravel())
    assert len({tuple(key) for key in np.array(cut.keys).reshape(-1, 2).tolist()}) == 32
