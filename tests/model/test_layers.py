import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from mlxts.model.layers import Dense, LayerNorm, dropout


@pytest.mark.parametrize("rate", [0.5, 0.2, 0.9])
def test_dropout_drops_the_stated_share_and_keeps_the_mean(rate: float) -> None:
    x = mx.ones((400, 500))
    out = np.array(dropout(x, rate, mx.random.key(3)))
    values = {0.0, np.float32(1 / (1 - rate))}
    assert all(min(abs(v - w) for w in values) < 1e-6 for v in np.unique(out))
    assert (out == 0).mean() == pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / out.size))


def test_half_dropout_has_no_pattern_along_rows_columns_or_neighbours() -> None:
    mask = np.array(dropout(mx.ones((512, 512)), 0.5, mx.random.key(11))) / 2 - 0.5
    deviations = mask.mean(axis=0).std(), mask.mean(axis=1).std()
    assert all(d == pytest.approx(0.5 / np.sqrt(512), rel=0.15) for d in deviations)
    for lag in (1, 2, 31, 32, 64):
        flat = mask.ravel()
        assert abs(np.mean(flat[lag:] * flat[:-lag])) < 0.25 * 5 / 512


def test_the_same_key_draws_the_same_mask_and_another_key_another() -> None:
    x = mx.ones((64, 64))
    a, b, c = (dropout(x, 0.5, mx.random.key(k)) for k in (1, 1, 2))
    assert mx.array_equal(a, b)
    assert not mx.array_equal(a, c)


def test_without_a_key_nothing_is_dropped() -> None:
    x = mx.random.normal((5, 7), key=mx.random.key(0))
    assert dropout(x, 0.5, None) is x


def test_dense_is_a_matrix_product_in_float64() -> None:
    layer = Dense(7, 5, np.random.default_rng(0))
    layer.bias = mx.arange(5, dtype=mx.float32)
    x = np.random.default_rng(1).normal(size=(3, 4, 7)).astype(np.float32)
    want = x.astype(np.float64) @ np.array(layer.weight, np.float64) + np.arange(5)
    np.testing.assert_allclose(np.array(layer(mx.array(x))), want, rtol=1e-5, atol=1e-5)


def test_layer_norm_agrees_with_mlx() -> None:
    x = mx.random.normal((4, 9, 16), key=mx.random.key(5))
    np.testing.assert_allclose(np.array(LayerNorm(16)(x)), np.array(nn.LayerNorm(16)(x)), atol=1e-6)
