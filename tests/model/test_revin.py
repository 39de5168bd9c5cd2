"""The promises of instance normalisation, as properties."""

import mlx.core as mx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.model.revin import RevIN


def _windows(seed: int) -> mx.array:
    return mx.array(np.random.default_rng(seed).normal(size=(4, 30, 3)).astype(np.float32))


@given(seed=st.integers(0, 999), scale=st.floats(2.0, 500.0), shift=st.floats(-100.0, 100.0))
@settings(deadline=None, max_examples=40)
def test_scale_and_shift_of_a_channel_change_nothing(seed, scale, shift) -> None:
    x = _windows(seed)
    normalise = RevIN(3)
    difference = mx.abs(normalise(x).x - normalise(x * scale + shift).x)
    assert float(mx.max(difference)) < 2e-3


@given(seed=st.integers(0, 999))
@settings(deadline=None, max_examples=30)
def test_every_window_has_mean_zero_and_deviation_one(seed: int) -> None:
    out = np.array(RevIN(3)(_windows(seed)).x)
    np.testing.assert_allclose(out.mean(axis=1), 0.0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=1), 1.0, atol=1e-4)


def test_statistics_restore_the_window() -> None:
    x = _windows(1)
    out = RevIN(3)(x)
    restored = out.x * out.scale[:, None] + out.location[:, None]
    np.testing.assert_allclose(np.array(restored), np.array(x), atol=1e-5)


def test_subtracting_the_last_bar_leaves_it_at_zero_and_keeps_the_scale() -> None:
    x = _windows(2)
    out = RevIN(3, subtract_last=True)(x)
    np.testing.assert_array_equal(np.array(out.x)[:, -1], 0.0)
    np.testing.assert_array_equal(np.array(out.scale), np.array(RevIN(3)(x).scale))


def test_a_constant_channel_becomes_zero_not_infinite() -> None:
    assert np.array_equal(np.array(RevIN(2)(mx.full((1, 10, 2), 7.0)).x), np.zeros((1, 10, 2)))


def test_statistics_take_no_gradient() -> None:
    x = _windows(3)
    gradient = mx.grad(
        lambda value: mx.sum(RevIN(3)(value).location) + mx.sum(RevIN(3)(value).scale)
    )
    assert float(mx.max(mx.abs(gradient(x)))) == 0.0


def test_the_affine_parameters_are_trainable_only_when_asked_for() -> None:
    assert RevIN(3).trainable_parameters() == {}
    assert set(RevIN(3, affine=True).trainable_parameters()) == {"weight", "bias"}
