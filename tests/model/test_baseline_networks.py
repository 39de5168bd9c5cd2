"""The baseline networks against a naive reading of their definitions."""

import mlx.core as mx
import numpy as np
import pytest

from mlxts.model.baseline_networks import MLP, DLinear, WindowShape, moving_average

SHAPE = WindowShape(context=30, features=3)
STATISTICS = np.array([[0.5, -1.0, 2.0], [2.0, 0.5, 0.0]])
networks = pytest.mark.parametrize("network", [MLP, DLinear])


def built(network, **changes):
    options = {"seed": 0, "bias": -1.5, "rate": 0.5} | changes
    return network(SHAPE, STATISTICS, **options)


def windows(count: int = 8) -> mx.array:
    return mx.array(np.random.default_rng(1).normal(size=(count, 30, 3)).astype(np.float32))


@networks
def test_it_begins_near_the_bias_and_the_same_seed_is_the_same_network(network):
    said = np.asarray(built(network).eval()(windows()))
    assert said.shape == (8,)
    assert said.mean() == pytest.approx(-1.5, abs=0.5)
    assert (said == np.asarray(built(network).eval()(windows()))).all()
    assert (said != np.asarray(built(network, seed=1).eval()(windows()))).any()


def test_the_moving_average_is_a_loop_over_the_padded_series():
    series = np.random.default_rng(0).normal(size=40)
    padded = np.concatenate([np.full(12, series[0]), series, np.full(12, series[-1])])
    expected = [padded[bar : bar + 25].mean() for bar in range(40)]
    np.testing.assert_allclose(moving_average(40) @ series, expected, rtol=1e-5)


def test_dlinear_is_linear_in_its_window():
    model, x, y = built(DLinear, bias=0.0), windows(), windows() * 3 + 1
    # Of standardised inputs, so the map is affine: differences add up.
    middle = np.asarray(model((x + y) / 2))
    np.testing.assert_allclose(
        middle, (np.asarray(model(x)) + np.asarray(model(y))) / 2, rtol=1e-3, atol=1e-2
    )


def test_dropout_acts_in_training_alone_and_follows_from_the_keys():
    model = built(MLP)
    keys = mx.array(np.arange(16, dtype=np.uint32).reshape(8, 2))
    dropped, again = model(windows(), keys), model(windows(), keys)
    assert mx.array_equal(dropped, again)
    assert not mx.array_equal(dropped, model(windows()))


@networks
def test_scales_are_no_parameters(network):
    names = set(built(network).trainable_parameters())
    assert names == ({"hidden", "head"} if network is MLP else {"head"})
