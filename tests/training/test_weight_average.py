"""The moving average of weights: the formula, and that the model's own come back."""

import numpy as np
import pytest

from mlxts.model.patchtst import PatchTST, Shape, flat_arrays
from mlxts.training.weight_average import WeightAverage

SHAPE = Shape("mixing", 3, 16, 4, 4, 8, 1, 2, 8, 2)


def _weights(model: PatchTST) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in flat_arrays(model.parameters()).items()}


def test_it_follows_the_weights_the_more_slowly_the_later() -> None:
    model = PatchTST(SHAPE, seed=0)
    average, expected = WeightAverage(model, 0.5), _weights(model)
    for updates in range(1, 12):
        other = PatchTST(SHAPE, seed=updates)
        model.update(other.parameters())
        average.update(model, updates)
        decay = min(0.5, (1 + updates) / (10 + updates))
        new = _weights(other)
        expected = {name: decay * expected[name] + (1 - decay) * new[name] for name in new}
    assert decay == 0.5
    for name, value in flat_arrays(average.weights).items():
        np.testing.assert_allclose(np.array(value), expected[name], atol=1e-6)


def test_the_models_own_weights_come_back_after_an_error_too() -> None:
    model = PatchTST(SHAPE, seed=0)
    average, own = WeightAverage(PatchTST(SHAPE, seed=1), 0.9), _weights(model)
    with pytest.raises(ZeroDivisionError), average.in_place(model):
        assert np.array_equal(_weights(model)["embed.weight"], average.weights["embed"]["weight"])
        raise ZeroDivisionError
    assert all(np.array_equal(value, own[name]) for name, value in _weights(model).items())
