"""Patches against the bars that each should hold, written down one by one."""

import mlx.core as mx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.model.patching import patch_count, patches

LENGTHS = {
    "length": st.integers(1, 20), "stride": st.integers(1, 20), "extra": st.integers(0, 60),
}  # fmt: skip


def _rows(context: int, length: int, stride: int) -> list[list[int]]:
    """The bars of each patch, counted back from the newest one."""
    ends = range(context, length - 1, -stride)
    return [list(range(end - length, end)) for end in reversed(ends)]


def _cut(context: int, length: int, stride: int) -> np.ndarray:
    """(P, L): the same, as `patches` has them."""
    bars = mx.arange(context, dtype=mx.float32)[None, :, None]
    return np.array(patches(bars, length, stride))[0, :, :, 0]


@given(**LENGTHS)
def test_patches_hold_whole_runs_of_bars_back_from_the_newest(
    length: int, stride: int, extra: int
) -> None:
    context = length + extra
    cut = _cut(context, length, stride)
    assert cut.shape == (patch_count(context, length, stride), length)
    assert np.array_equal(cut, _rows(context, length, stride))


def test_the_protocol_context_loses_no_bar() -> None:
    assert set(_cut(80, 16, 8).ravel()) == set(range(80))


def test_every_channel_of_every_window_is_cut_alike() -> None:
    x = np.random.default_rng(0).normal(size=(3, 21, 4)).astype(np.float32)
    cut = np.array(patches(mx.array(x), 6, 4))
    for p, bars in enumerate(_rows(21, 6, 4)):
        assert np.array_equal(cut[:, p], x[:, bars])


@settings(max_examples=30)
@given(**LENGTHS)
def test_the_gradient_of_a_bar_is_the_sum_over_its_patches_oldest_first(
    length: int, stride: int, extra: int
) -> None:
    context = length + extra
    rows = _rows(context, length, stride)
    rng = np.random.default_rng(length + 100 * stride + 10_000 * extra)
    weights = rng.normal(size=(1, len(rows), length, 2)).astype(np.float32)
    x = mx.zeros((1, context, 2))
    found = mx.grad(lambda x: mx.sum(patches(x, length, stride) * mx.array(weights)))(x)
    expected = np.zeros((context, 2), dtype=np.float32)
    for bars, given_weights in zip(rows, weights[0], strict=True):
        expected[bars] += given_weights
    assert np.array_equal(np.array(found)[0], expected)
