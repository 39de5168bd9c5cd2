"""What every network promises that the loop is to train (`mlxts.model.interfaces.Network`)."""

import mlx.core as mx
import numpy as np
import pytest

from mlxts import transfer
from mlxts.errors import MlxtsError
from mlxts.model.interfaces import Network

BATCH = 4
WRONG = {
    "a bar too few": lambda x: x[:, 1:],
    "a bar too many": lambda x: np.concatenate([x, x[:, :1]], axis=1),
    "twice as long": lambda x: np.concatenate([x, x], axis=1),
    "a column too few": lambda x: x[:, :, 1:],
    "a column too many": lambda x: np.concatenate([x, x[:, :, :1]], axis=2),
    "one window": lambda x: x[0],
    "no window": lambda x: x[:0],
    "an axis too many": lambda x: x[None],
}


class NetworkSuite:
    """Subclass it as `TestNAME` and override `network`; `drops_out` where it has no dropout."""

    @pytest.fixture
    def network(self) -> Network:
        """A new one, small, the same each time."""
        raise NotImplementedError

    @pytest.fixture
    def drops_out(self) -> bool:
        """Whether outputs in training mode are random."""
        return True

    @pytest.fixture
    def windows(self, network: Network) -> np.ndarray:
        """(B, T, columns) float32."""
        shape = (BATCH, network.shape.context, network.columns)
        return np.random.default_rng(2).normal(size=shape).astype(np.float32)

    @pytest.mark.parametrize("on_device", [True, False])
    @pytest.mark.parametrize("wrong", WRONG)
    def test_windows_that_a_model_was_not_built_for_are_refused(
        self, network: Network, windows: np.ndarray, wrong: str, on_device: bool
    ) -> None:
        given = WRONG[wrong](windows)
        _, bars, columns = windows.shape
        with pytest.raises(ValueError, match=rf"\(B, {bars}, {columns}\)") as caught:
            network(mx.array(given) if on_device else given)
        assert isinstance(caught.value, MlxtsError)
        assert str(given.shape) in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
    def test_windows_of_numpy_are_taken_as_they_are(
        self, network: Network, windows: np.ndarray, kind: type
    ) -> None:
        model, x = network.eval(), windows.astype(kind)
        outputs = model(x)
        assert outputs.shape == (BATCH,)
        assert outputs.dtype == mx.float32
        assert mx.array_equal(outputs, model(mx.array(x.astype(np.float32))))

    def test_evaluation_mode_has_no_dropout_and_no_statistics_of_the_batch(
        self, network: Network, windows: np.ndarray
    ) -> None:
        x = mx.array(windows)
        network.eval()
        outputs = network(x)
        assert mx.array_equal(outputs, network(x, mx.random.split(mx.random.key(1), BATCH)))
        alone = transfer.on_host(network(x[:1]))
        np.testing.assert_allclose(alone, transfer.on_host(outputs)[:1], atol=1e-5)
        assert mx.array_equal(outputs, network.forward(x))

    def test_training_mode_drops_out_and_a_seed_repeats_it(
        self, network: Network, windows: np.ndarray, drops_out: bool
    ) -> None:
        if not drops_out:
            pytest.skip("it has no dropout")
        x = mx.array(windows)
        assert network.training  # as every module of mlx.nn
        mx.random.seed(5)
        first, second = transfer.on_host((network(x), network(x)))
        assert not np.array_equal(first, second)
        mx.random.seed(5)
        np.testing.assert_array_equal(transfer.on_host(network(x)), first)
        assert not np.array_equal(transfer.on_host(network.eval()(x)), first)
        assert not mx.array_equal(network.train()(x), network.eval()(x))

    def test_given_keys_decide_what_is_dropped_whatever_the_seed(
        self, network: Network, windows: np.ndarray, drops_out: bool
    ) -> None:
        if not drops_out:
            pytest.skip("it has no dropout")
        x, keys = mx.array(windows), mx.random.split(mx.random.key(1), BATCH)
        outputs = transfer.on_host(network(x, keys))
        mx.random.seed(99)
        np.testing.assert_array_equal(transfer.on_host(network(x, keys)), outputs)
        again = network(x, transfer.on_host(keys))
        np.testing.assert_array_equal(transfer.on_host(again), outputs)
        np.testing.assert_array_equal(transfer.on_host(network.forward(x, keys)), outputs)
