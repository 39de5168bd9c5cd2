"""The model's flags: batch normalisation, residual attention, pooled heads."""

from typing import Any, Literal

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten
from scipy.special import erf, softmax

from mlxts import experiment
from mlxts.errors import ConfigError
from mlxts.model import parameter_budget
from mlxts.model.normalisation import BatchNorm
from mlxts.model.patchtst import PatchTST, Shape, flat_arrays
from mlxts.training import checkpoint
from mlxts.training.checkpoint import LoopState
from mlxts.training.distributed import Ranks
from mlxts.training.loop import fresh_state
from mlxts.training.plan import Plan
from mlxts.training.sampler import Batches
from mlxts.training.step import Forward, Step, make_optimizer
from tests.training import worlds

Channels = Literal["mixing", "independent"]
TINY: dict[str, Any] = {
    "features": 3, "context": 20, "patch_length": 6, "stride": 4, "d_model": 8, "depth": 3,
    "heads": 2, "ffn_dim": 12, "rank": 3,
}  # fmt: skip
FLAGS = [
    {"norm": "batch"},
    {"res_attention": True},
    {"head": "mean"},
    {"head": "max"},
    {"norm": "batch", "res_attention": True, "head": "mean"},
]


def _model(channels: Channels = "independent", **flags) -> PatchTST:
    model = PatchTST(Shape(channels=channels, **{**TINY, **flags}), seed=3, bias=-0.4)
    _scatter(model)
    return model


def _scatter(model: PatchTST) -> None:
    """Gains, biases and running statistics that are not those of a fresh model."""
    rng = np.random.default_rng(8)
    moved = [
        (name, value + mx.array(0.2 * rng.random(value.shape, dtype=np.float32)))
        for name, value in flat_arrays(model.parameters()).items()
        if "norm" in name
    ]
    model.load_weights(moved, strict=False)


def _windows(batch: int = 4) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(batch, 20, 3)).astype(np.float32)


def _reference(model: PatchTST, x: np.ndarray) -> np.ndarray:
    """The independent mode with any flags, in float64, sequence by sequence."""
    shape = model.shape
    p = {name: np.array(v, np.float64) for name, v in tree_flatten(model.parameters())}

    def dense(z, name):
        return z @ p[f"{name}.weight"] + p[f"{name}.bias"]

    def norm(z, name):
        if shape.norm == "batch":
            z = (z - p[f"{name}.running_mean"]) / np.sqrt(p[f"{name}.running_var"] + 1e-5)
        else:
            z = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + 1e-5)
        return z * p[f"{name}.weight"] + p[f"{name}.bias"]

    def encode(z):
        size, before = shape.d_model // shape.heads, 0.0
        for i in range(shape.depth):
            at = f"encoder.layers.{i}"
            q, k, v = np.split(dense(norm(z, f"{at}.norm1"), f"{at}.attention.qkv"), 3, -1)
            heads = [slice(h * size, (h + 1) * size) for h in range(shape.heads)]
            scores = np.stack([q[:, h] @ k[:, h].T / np.sqrt(size) for h in heads])
            if shape.res_attention:
                scores = before = scores + before
            mixed = [s @ v[:, h] for s, h in zip(softmax(scores, -1), heads, strict=True)]
            z = z + dense(np.concatenate(mixed, -1), f"{at}.attention.out")
            hidden = dense(norm(z, f"{at}.norm2"), f"{at}.ffn_up")
            z = z + dense(0.5 * hidden * (1 + erf(hidden / np.sqrt(2))), f"{at}.ffn_down")
        if shape.head == "flatten":
            return norm(z, "encoder.norm").ravel()
        return z.mean(0) if shape.head == "mean" else z.max(0)

    outputs = []
    starts = range(2, 20 - 6 + 1, 4)
    for window in x.astype(np.float64):
        z = (window - window.mean(0)) / np.sqrt(window.var(0) + 1e-5)
        summaries = []
        for channel in range(3):
            tokens = np.stack([z[s : s + 6, channel] for s in starts])
            encoded = encode(dense(tokens, "embed") + p["position"])
            summaries.append(dense(encoded, "head_down"))
        outputs.append(dense(np.concatenate(summaries), "head")[0])
    return np.array(outputs)


@pytest.mark.parametrize("flags", FLAGS, ids=str)
def test_the_forward_pass_with_flags_agrees_with_numpy(flags: dict) -> None:
    model, x = _model(**flags), _windows()
    model.eval()
    np.testing.assert_allclose(np.array(model(mx.array(x))), _reference(model, x), atol=1e-5)


@pytest.mark.parametrize("channels", ["independent", "mixing"])
@pytest.mark.parametrize("flags", [{}, *FLAGS], ids=str)
def test_counts_hold_with_flags(channels: Channels, flags: dict) -> None:
    model = _model(channels, **flags)
    assert model.counts() == parameter_budget.count(model.shape)


@pytest.mark.parametrize("flags", [{"head": "mean"}, {"norm": "batch", "res_attention": True}])
def test_a_budget_is_met_with_flags(flags: dict) -> None:
    given = worlds.configuration(
        model__channels="independent", **{f"model__{key}": value for key, value in flags.items()}
    ).model
    shape = parameter_budget.solve("0.06M", 20, given)
    assert parameter_budget.within(shape, 60_000)
    assert (shape.norm, shape.res_attention, shape.head) == (
        given.norm, given.res_attention, given.head
    )  # fmt: skip


@pytest.mark.parametrize("flags", FLAGS, ids=str)
def test_every_parameter_takes_part(flags: dict) -> None:
    model, x = _model(**flags), mx.array(_windows())
    keys = mx.random.split(mx.random.key(1), len(x))
    weights = mx.array([1.0, -2.0, 0.5, 3.0])
    gradients = nn.value_and_grad(model, lambda: mx.sum(model(x, keys) * weights))()[1]
    idle = {name for name, g in flat_arrays(gradients).items() if not float(mx.max(mx.abs(g))) > 0}
    assert idle == set()


def test_recomputed_layers_give_the_same_gradients_with_residual_attention() -> None:
    model, x = _model(res_attention=True, dropout=0.3), mx.array(_windows())
    keys = mx.random.split(mx.random.key(1), len(x))

    def gradients(checkpointing: bool) -> dict[str, np.ndarray]:
        run = nn.value_and_grad(model, lambda: mx.sum(model(x, keys, checkpointing=checkpointing)))
        return {name: np.array(value) for name, value in tree_flatten(run()[1])}

    kept, recomputed = gradients(False), gradients(True)
    for name, value in kept.items():
        np.testing.assert_allclose(recomputed[name], value, atol=1e-5, err_msg=name)


def test_batch_normalisation_is_that_of_the_batch_in_training_and_of_all_batches_after() -> None:
    norm, rng = BatchNorm(4), np.random.default_rng(0)
    mean, variance = np.zeros(4), np.ones(4)
    for _ in range(3):
        x = rng.normal(2.0, 3.0, size=(5, 6, 4))
        flat = x.reshape(-1, 4)
        made = norm(mx.array(x.astype(np.float32)), training=True)
        wanted = (x - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-5)
        np.testing.assert_allclose(np.array(made), wanted, atol=1e-5)
        mean = 0.9 * mean + 0.1 * flat.mean(0)
        variance = 0.9 * variance + 0.1 * flat.var(0, ddof=1)
    np.testing.assert_allclose(np.array(norm.running_mean), mean, atol=1e-5)
    np.testing.assert_allclose(np.array(norm.running_var), variance, rtol=1e-5)
    wanted = (x - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(np.array(norm(mx.array(x.astype(np.float32)))), wanted, atol=1e-5)


@pytest.mark.parametrize("micro_batch", [8, 32])
def test_running_statistics_move_in_training_and_come_back_with_a_checkpoint(
    micro_batch: int, tmp_path
) -> None:
    configuration = worlds.configuration(training__micro_batch=micro_batch)
    data = worlds.dataset()
    shape = Shape(
        channels="mixing", features=worlds.FEATURES, context=worlds.CONTEXT, patch_length=4,
        stride=4, d_model=8, depth=2, heads=2, ffn_dim=8, rank=2, norm="batch",
    )  # fmt: skip
    model = PatchTST(shape)
    optimizer = make_optimizer(configuration.training)
    step = Step(model, optimizer, configuration.training, binary=True)
    train = data.samples["train"]
    batches = Batches(train.rows, train.targets, 32, micro_batch, seed=0)
    features = mx.array(data.features)
    for index in range(3):
        batch = batches.at(index)
        mx.eval(step(index, features, batch.rows, batch.targets, batch.weights, batch.keys))
    moved = dict(tree_flatten(model.parameters()))
    for name in ("encoder.layers.0.norm1", "encoder.norm"):
        assert float(mx.max(mx.abs(moved[f"{name}.running_mean"]))) > 1e-3
    said = Forward(model, 16)(features, train.rows[:16])
    state: LoopState = fresh_state(configuration, "r")
    checkpoint.save(tmp_path, "best", model, state)
    again = PatchTST(shape, seed=9)
    checkpoint.restore(tmp_path, "best", "r", again)
    assert np.array_equal(Forward(again, 16)(features, train.rows[:16]), said)


def test_batch_normalisation_and_recomputing_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="leave one out"):
        worlds.configuration(model__norm="batch", training__gradient_checkpointing=True)


def test_strict_mode_has_no_flags() -> None:
    with pytest.raises(ConfigError, match=r"model\.norm: batch is fixed at layer"):
        worlds.configuration(mode="strict", budget="2M", model={"norm": "batch"}, training={})


class _TwoRanks(Ranks):
    """A rank that has been told of another; it gets no further than the check."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 2


def test_batch_normalisation_is_no_matter_for_several_processes() -> None:
    configuration, data = worlds.configuration(model__norm="batch"), worlds.dataset()
    shape = parameter_budget.solve("0.02M", len(data.names), configuration.model)
    plan = Plan(configuration, data, shape, 16, "r")
    with pytest.raises(ConfigError, match="without --distributed"):
        experiment.run_experiment(plan, emit=lambda event: None, ranks=_TwoRanks())
