from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.model.layers import Dense, LayerNorm, dropout, split_keys


def _keys(count: int, seed: int = 0) -> mx.array:
    return mx.random.split(mx.random.key(seed), count)


@pytest.mark.parametrize("rate", [0.5, 0.2, 0.9])
def test_dropout_drops_the_stated_share_and_keeps_the_mean(rate: float) -> None:
    x = mx.ones((400, 500))
    out = np.array(dropout(x, rate, _keys(8, 3)))
    values = {0.0, np.float32(1 / (1 - rate))}
    assert all(min(abs(v - w) for w in values) < 1e-6 for v in np.unique(out))
    assert (out == 0).mean() == pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / out.size))


@pytest.mark.parametrize("samples", [1, 64, 512])
def test_half_dropout_has_no_pattern_along_rows_columns_or_neighbours(samples: int) -> None:
    mask = np.array(dropout(mx.ones((512, 512)), 0.5, _keys(samples, 11))) / 2 - 0.5
    deviations = mask.mean(axis=0).std(), mask.mean(axis=1).std()
    assert all(d == pytest.approx(0.5 / np.sqrt(512), rel=0.15) for d in deviations)
    for lag in (1, 2, 31, 32, 64):
        flat = mask.ravel()
        assert abs(np.mean(flat[lag:] * flat[:-lag])) < 0.25 * 5 / 512


def test_the_same_key_draws_the_same_mask_and_another_key_another() -> None:
    x = mx.ones((64, 64))
    a, b, c = (dropout(x, 0.5, _keys(64, k)) for k in (1, 1, 2))
    assert mx.array_equal(a, b)
    assert not mx.array_equal(a, c)


@settings(deadline=None, max_examples=25)
@given(
    samples=st.integers(1, 6),
    sequences=st.integers(1, 3),
    size=st.integers(1, 70),
    rate=st.sampled_from([0.5, 0.3]),
    data=st.data(),
)
def test_a_samples_mask_does_not_depend_on_its_batch(samples, sequences, size, rate, data) -> None:
    x, keys = mx.ones((samples * sequences, 2, size)), _keys(samples, 5)
    together = dropout(x, rate, keys)
    cut = data.draw(st.integers(0, samples - 1))
    end = data.draw(st.integers(cut + 1, samples))
    alone = dropout(x[cut * sequences : end * sequences], rate, keys[cut:end])
    assert mx.array_equal(together[cut * sequences : end * sequences], alone)


def test_split_keys_are_those_of_each_key_and_all_differ() -> None:
    keys = _keys(5)
    split = split_keys(keys, 7)
    assert [part.shape for part in split] == [(5, 2)] * 7
    for sample in range(5):
        assert mx.array_equal(mx.stack(split)[:, sample], mx.random.split(keys[sample], 7))
    assert len(np.unique(np.concatenate([np.array(part) for part in split]), axis=0)) == 35


def test_without_a_key_nothing_is_dropped() -> None:
    x = mx.random.normal((5, 7), key=mx.random.key(0))
    assert dropout(x, 0.5, None) is x


def test_dense_is_a_matrix_product_in_float64() -> None:
    layer = Dense(7, 5, np.random.default_rng(0))
    layer.bias = mx.arange(5, dtype=mx.float32)
    x = np.random.default_rng(1).normal(size=(3, 4, 7)).astype(np.float32)
    want = x.astype(np.float64) @ np.array(layer.weight, np.float64) + np.arange(5)
    np.testing.assert_allclose(np.array(layer(mx.array(x))), want, rtol=1e-5, atol=1e-5)


def _normalised(x: mx.array, layer: LayerNorm) -> mx.array:
    return mx.fast.layer_norm(x, layer.weight, layer.bias, 1e-5)


@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_layer_norm_and_its_gradients_agree_with_mlx(offset: float) -> None:
    layer = LayerNorm(16)
    layer.weight, layer.bias = (mx.random.normal((16,), key=key) for key in _keys(2, 4))
    x, slope = (mx.random.normal((4, 9, 16), key=key) for key in _keys(2, 5))
    x = x + offset
    np.testing.assert_allclose(
        np.array(layer(x)), np.array(_normalised(x, layer)), rtol=1e-5, atol=1e-5 * (1 + offset)
    )

    def gradients(function: Callable[[mx.array, LayerNorm], mx.array]) -> list[mx.array]:
        def loss(x: mx.array, weight: mx.array, bias: mx.array) -> mx.array:
            copy = LayerNorm(16)
            copy.weight, copy.bias = weight, bias
            return mx.sum(function(x, copy) * slope)

        return mx.grad(loss, argnums=(0, 1, 2))(x, layer.weight, layer.bias)

    own, reference = gradients(lambda x, layer: layer(x)), gradients(_normalised)
    for ours, theirs in zip(own, reference, strict=True):
        np.testing.assert_allclose(np.array(ours), np.array(theirs), atol=2e-5 * (1 + offset))


def test_layer_norm_of_bfloat16_stays_bfloat16_and_is_summed_in_float32() -> None:
    x = (mx.random.normal((64, 256), key=mx.random.key(6)) + 3).astype(mx.bfloat16)
    layer = LayerNorm(256)
    wanted = np.array(layer(x.astype(mx.float32)))
    layer.update({"weight": layer.weight.astype(x.dtype), "bias": layer.bias.astype(x.dtype)})
    out = layer(x)
    assert out.dtype == mx.bfloat16
    np.testing.assert_allclose(np.array(out.astype(mx.float32)), wanted, rtol=2**-7, atol=1e-3)
