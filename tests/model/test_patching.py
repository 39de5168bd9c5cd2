import mlx.core as mx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlxts.model.patching import patch_count, patch_rows, patches


@given(length=st.integers(1, 20), stride=st.integers(1, 20), extra=st.integers(0, 60))
def test_the_newest_bar_is_always_in_the_last_patch(length: int, stride: int, extra: int) -> None:
    context = length + extra
    rows = np.array(patch_rows(context, length, stride))
    assert rows.shape == (patch_count(context, length, stride), length)
    assert rows[-1, -1] == context - 1
    assert rows.min() >= 0
    # Only bars older than the first patch are left out, and fewer than a stride of them
    # (or the gaps that a stride longer than a patch leaves).
    assert rows[0, 0] == (context - length) % stride
    assert (np.diff(rows[:, 0]) == stride).all()


def test_the_protocol_context_loses_no_bar() -> None:
    assert set(np.array(patch_rows(80, 16, 8)).ravel()) == set(range(80))


def test_patches_hold_the_bars_their_rows_name() -> None:
    x = mx.random.normal((3, 21, 4), key=mx.random.key(0))
    rows = patch_rows(21, 6, 4)
    cut = np.array(patches(x, rows))
    for p, bars in enumerate(np.array(rows)):
        assert np.array_equal(cut[:, p], np.array(x)[:, bars])
