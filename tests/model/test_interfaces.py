"""The door of every network: what it takes, and what training and evaluation mode mean."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from mlxts.errors import ShapeError
from mlxts.model.baseline_networks import MLP, DLinear, WindowShape
from mlxts.model.hf_patchtst import Published, PublishedPatchTST
from mlxts.model.interfaces import Network
from mlxts.model.patchtst import PatchTST, Shape, flat_arrays
from mlxts.model.residual import OffsetPatchTST
from mlxts.testing.networks import WRONG, NetworkSuite
from mlxts.training.sampler import Batches
from mlxts.training.step import Forward, Step, make_optimizer
from tests.training import worlds

T, F = 20, 3
SHAPE = Shape("mixing", F, T, 6, 4, 8, 2, 2, 12, 3, dropout=0.5)
STATISTICS = np.stack([np.zeros(F), np.ones(F)])


def _offset(shape: Shape) -> OffsetPatchTST:
    """As after some steps: before the first one its output is the offset, whatever it reads."""
    network = OffsetPatchTST(shape)
    network.head.weight = PatchTST(shape).head.weight
    return network


NETWORKS: dict[str, Callable[[], Any]] = {
    "mixing": lambda: PatchTST(SHAPE),
    "independent": lambda: PatchTST(replace(SHAPE, channels="independent")),
    "batch": lambda: PatchTST(replace(SHAPE, norm="batch", dropout=0.0)),
    "offset": lambda: _offset(SHAPE),
    "assets": lambda: PatchTST(replace(SHAPE, assets=3)),
    "last_bar": lambda: PatchTST(replace(SHAPE, last_bar=3), statistics=STATISTICS),
    "all": lambda: _offset(replace(SHAPE, channels="independent", assets=3, last_bar=4)),
    "mlp": lambda: MLP(WindowShape(T, F), STATISTICS, seed=0, bias=0.0, rate=0.5),
    "dlinear": lambda: DLinear(WindowShape(T, F), STATISTICS, seed=0, bias=0.0, rate=0.5),
}
DROPPING = ("mixing", "independent", "offset", "mlp")


def _columns(name: str) -> int:
    return F + {"offset": 1, "assets": 1, "last_bar": 3, "all": 6}.get(name, 0)


def _windows(name: str, batch: int = 4) -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.normal(size=(batch, T, _columns(name))).astype(np.float32)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("channels", "both", "'both' is none of mixing, independent"),
        ("norm", "instance", "none of layer, batch"),
        ("head", "last", "none of flatten, mean, max"),
        ("dropout", 1.0, r"1\.0 does not lie in \[0, 1\)"),
        ("dropout", -0.1, "does not lie"),
        ("dropout", float("nan"), "does not lie"),
        ("head_dropout", 1.5, "does not lie"),
        ("heads", 3, "d_model: 8 cannot be shared by 3 heads"),
        ("patch_length", T + 1, "longer than the context of 20"),
        *((f, 0, "no whole number above 0") for f in ("features", "context", "patch_length")),
        *((f, 0, "no whole number above 0") for f in ("stride", "d_model", "depth", "heads")),
        *((f, -1, "no whole number above 0") for f in ("ffn_dim", "rank")),
        ("d_model", 8.0, "no whole number above 0"),
        ("assets", -1, "no whole number from 0"),
        ("last_bar", 1.0, "no whole number from 0"),
        ("depth", True, "no whole number above 0"),
    ],
)
def test_a_shape_that_no_model_can_have_is_refused(field: str, value: Any, said: str) -> None:
    with pytest.raises(ShapeError, match=said) as caught:
        replace(SHAPE, **{field: value})
    assert str(caught.value).startswith((field, "d_model"))


class TestNetworks(NetworkSuite):
    @pytest.fixture(params=NETWORKS)
    def name(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture
    def network(self, name: str) -> Network:
        return NETWORKS[name]()

    @pytest.fixture
    def drops_out(self, name: str) -> bool:
        return name in DROPPING


def _published() -> PublishedPatchTST:
    """What others have published, which the loop does not train."""
    return PublishedPatchTST(
        Published("classification", num_input_channels=F, context_length=T, patch_length=6)
    )


@pytest.mark.parametrize("of", [mx.array, np.array])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_the_published_model_refuses_other_windows(of: Any, wrong: Any) -> None:
    given = wrong(_windows("published"))
    with pytest.raises(ShapeError, match=r"\(B, 20, 3\)"):
        _published()(of(given))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_the_published_model_takes_windows_of_numpy_as_they_are(kind: type) -> None:
    model, x = _published().eval(), _windows("published").astype(kind)
    assert mx.array_equal(model(x), model(mx.array(x.astype(np.float32))))


def test_running_statistics_move_in_training_mode_alone() -> None:
    model, x = NETWORKS["batch"](), mx.array(_windows("batch"))

    def running() -> np.ndarray:
        return np.array(flat_arrays(model.parameters())["encoder.norm.running_mean"])

    before = running()
    mx.eval(model.eval()(x))
    assert np.array_equal(running(), before)
    mx.eval(model.train()(x))
    assert not np.array_equal(running(), before)


@pytest.mark.parametrize(
    "keys",
    [
        mx.random.split(mx.random.key(1), 3),
        mx.zeros((4, 2)),
        mx.zeros((4,), dtype=mx.uint32),
        np.zeros((4, 2), dtype=np.int64),
    ],
)
def test_keys_that_are_not_one_a_window_are_refused(keys: Any) -> None:
    with pytest.raises(ShapeError, match=r"do not fit 4 windows; give \(4, 2\) of uint32"):
        NETWORKS["mixing"]()(_windows("mixing"), keys)


@pytest.mark.parametrize("rate", [1.0, -0.5])
def test_a_baseline_network_has_a_rate_of_dropout_that_is_one(rate: float) -> None:
    with pytest.raises(ShapeError, match="rate"):
        MLP(WindowShape(T, F), STATISTICS, seed=0, bias=0.0, rate=rate)


@pytest.mark.parametrize("statistics", [np.zeros((2, F + 1)), np.zeros(F), np.zeros((3, F))])
def test_statistics_of_other_features_are_refused(statistics: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="those of 3 features"):
        DLinear(WindowShape(T, F), statistics, seed=0, bias=0.0, rate=0.0)
    with pytest.raises(ShapeError, match="those of 3 features"):
        PatchTST(replace(SHAPE, statistics_to_head=True), statistics=statistics)


def _trained(model: Network) -> list[np.ndarray]:
    """Outputs and weights after two steps of the loop's own kind."""
    training, data = worlds.configuration().training, worlds.dataset()
    features = mx.array(data.features[:, :F])
    optimizer = make_optimizer(training)
    step = Step(model, optimizer, training, binary=True)
    split = data.samples["train"]
    batches = Batches(split.rows[T:], split.targets[T:], 32, 16, seed=0)
    for index in range(2):
        batch = batches.at(index)
        step(index, features, batch.rows, batch.targets, batch.weights, batch.keys)
    said = Forward(model, 16)(features, split.rows[T:])
    return [said, *(np.array(value) for value in flat_arrays(model.parameters()).values())]


@pytest.mark.parametrize("name", ["mixing", "batch", "mlp"])
def test_steps_and_scores_are_the_same_in_either_mode(name: str) -> None:
    training, evaluating = NETWORKS[name](), NETWORKS[name]()
    evaluating.eval()
    pairs = zip(_trained(training), _trained(evaluating), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert training.training
    assert not evaluating.training
