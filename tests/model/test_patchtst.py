"""The forward pass against an independent NumPy float64 one, and what the model promises."""

import io
import re
from typing import Any, Literal

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from scipy.special import erf, softmax

from mlxts.model.patchtst import PatchTST, Shape, flat_arrays

Channels = Literal["mixing", "independent"]
TINY: dict[str, Any] = {
    "features": 5, "context": 23, "patch_length": 6, "stride": 4, "d_model": 8, "depth": 2,
    "heads": 2, "ffn_dim": 12, "rank": 3,
}  # fmt: skip
MODES = ("mixing", "independent")


def _shape(mode: Channels, **changes) -> Shape:
    return Shape(channels=mode, **{**TINY, **changes})


def _windows(seed: int = 0, batch: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, 23, 5)).astype(np.float32)


def _reference(model: PatchTST, x: np.ndarray) -> np.ndarray:
    """The same network written as loops over sequences, in float64."""
    shape, p = model.shape, model.parameters()

    def get(*path) -> np.ndarray:
        value = p
        for part in path:
            value = value[part]
        return np.array(value, dtype=np.float64)

    def dense(z, *path):
        return z @ get(*path, "weight") + get(*path, "bias")

    def norm(z, *path):
        centred = z - z.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * get(*path, "weight") + get(*path, "bias")

    def encode(tokens):
        for i in range(shape.depth):
            at = ("encoder", "layers", i)
            q, k, v = np.split(dense(norm(tokens, *at, "norm1"), *at, "attention", "qkv"), 3, -1)
            size = shape.d_model // shape.heads
            heads = [slice(h * size, (h + 1) * size) for h in range(shape.heads)]
            mixed = [softmax(q[:, h] @ k[:, h].T / np.sqrt(size), -1) @ v[:, h] for h in heads]
            tokens = tokens + dense(np.concatenate(mixed, -1), *at, "attention", "out")
            z = dense(norm(tokens, *at, "norm2"), *at, "ffn_up")
            gelu = 0.5 * z * (1 + erf(z / np.sqrt(2)))
            tokens = tokens + dense(gelu, *at, "ffn_down")
        return norm(tokens, "encoder", "norm")

    def patches(z):  # (T, C) -> P of (L, C), newest aligned
        first = (shape.context - shape.patch_length) % shape.stride
        starts = range(first, shape.context - shape.patch_length + 1, shape.stride)
        return [z[s : s + shape.patch_length] for s in starts]

    outputs = []
    for window in x.astype(np.float64):
        z = (window - window.mean(0)) / np.sqrt(window.var(0) + 1e-5)
        if shape.channels == "mixing":
            tokens = np.stack([patch.ravel() for patch in patches(dense(z, "input_proj"))])
            flat = encode(dense(tokens, "embed") + get("position")).ravel()
        else:
            summaries = []
            for channel in range(shape.features):
                tokens = np.stack([patch[:, 0] for patch in patches(z[:, [channel]])])
                encoded = encode(dense(tokens, "embed") + get("position"))
                summaries.append(dense(encoded.ravel(), "head_down"))
            flat = np.concatenate(summaries)
        if shape.statistics_to_head:
            flat = np.concatenate([flat, window.mean(0), 0.5 * np.log(window.var(0) + 1e-5)])
        outputs.append(dense(flat, "head")[0])
    return np.array(outputs)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statistics", [False, True])
def test_the_forward_pass_agrees_with_numpy(mode: Channels, statistics: bool) -> None:
    model = PatchTST(_shape(mode, statistics_to_head=statistics), seed=3, bias=-1.2)
    x = _windows()
    np.testing.assert_allclose(np.array(model(mx.array(x))), _reference(model, x), atol=2e-5)


@pytest.mark.parametrize("mode", MODES)
def test_a_sample_does_not_see_its_neighbours_in_the_batch(
    mode: Channels,
) -> None:
    model = PatchTST(_shape(mode), seed=1)
    x = _windows(batch=6)
    alone = [float(model(mx.array(x[i : i + 1]))[0]) for i in range(6)]
    np.testing.assert_allclose(np.array(model(mx.array(x))), alone, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_levels_and_scales_of_the_inputs_are_invisible_without_statistics(
    mode: Channels,
) -> None:
    model = PatchTST(_shape(mode), seed=1)
    x = _windows()
    np.testing.assert_allclose(
        np.array(model(mx.array(x))), np.array(model(mx.array(x * 40 + 7))), atol=2e-3
    )


@pytest.mark.parametrize("mode", MODES)
def test_statistics_at_the_head_make_the_level_visible(
    mode: Channels,
) -> None:
    model = PatchTST(_shape(mode, statistics_to_head=True), seed=1)
    x = _windows()
    moved = np.array(model(mx.array(x * 3 + 2))) - np.array(model(mx.array(x)))
    assert np.abs(moved).min() > 1e-3


@pytest.mark.parametrize("mode", MODES)
def test_the_first_prediction_is_near_the_bias(mode: Channels) -> None:
    model = PatchTST(_shape(mode, d_model=64, heads=4), seed=5, bias=-1.5)
    assert np.abs(np.array(model(mx.array(_windows()))) + 1.5).max() < 0.5


@pytest.mark.parametrize("mode", MODES)
def test_every_parameter_takes_part(mode: Channels) -> None:
    model = PatchTST(_shape(mode, revin_affine=True, statistics_to_head=True), seed=2)
    x, weights = mx.array(_windows()), mx.array([1.0, -2.0, 0.5, 3.0])
    gradients = nn.value_and_grad(model, lambda: mx.sum(model(x) * weights))()[1]
    idle = [name for name, g in flat_arrays(gradients).items() if not float(mx.max(mx.abs(g))) > 0]
    assert idle == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "flags",
    [{"stride": 2, "assets": 0}, {"head": "max", "res_attention": True, "assets": 3}],
    ids=str,
)
def test_no_gradient_is_added_up_by_scattering(mode: Channels, flags: dict) -> None:
    model = PatchTST(_shape(mode, revin_affine=True, dropout=0.3, **flags))
    keys = mx.random.split(mx.random.key(1), 4)
    x = mx.array(_windows() if not model.shape.assets else _of_assets([0, 1, 2, 1]))
    gradients = nn.value_and_grad(model, lambda: mx.sum(model(x, keys)))()[1]
    graph = io.StringIO()
    mx.export_to_dot(graph, gradients)
    operations = set(re.findall(r'label ="(\w+)', graph.getvalue()))
    assert "AddMM" in operations
    assert not {name for name in operations if "Scatter" in name}


def _of_assets(numbers: list[int]) -> np.ndarray:
    """The same windows with the number of an asset behind their features."""
    column = np.broadcast_to(np.array(numbers)[:, None, None], (len(numbers), 23, 1))
    return np.concatenate([_windows(batch=len(numbers)), column], axis=2).astype(np.float32)


@pytest.mark.parametrize("mode", MODES)
def test_an_asset_is_a_vector_that_is_added_to_every_token(mode: Channels) -> None:
    plain, model = (PatchTST(_shape(mode, assets=count), seed=3) for count in (0, 3))
    said = np.array(plain(mx.array(_windows())))
    # Nothing is known of assets at first; the other weights are those of a model without them.
    assert np.array_equal(model(mx.array(_of_assets([0, 1, 2, 1]))), said)
    vectors = np.random.default_rng(1).normal(size=(3, model.shape.d_model)).astype(np.float32)
    model.asset_embedding = mx.array(vectors)
    each = np.array(model(mx.array(_of_assets([0, 1, 2, 1]))))
    position = np.array(plain.position)
    for row, number in enumerate([0, 1, 2, 1]):
        plain.position = mx.array(position + vectors[number])
        assert each[row] == pytest.approx(float(plain(mx.array(_windows()))[row]), abs=1e-5)


def test_an_asset_learns_from_its_own_windows_alone() -> None:
    model = PatchTST(_shape("independent", assets=3), seed=3)
    x = mx.array(_of_assets([0, 2, 2, 0]))
    gradients = nn.value_and_grad(model, lambda: mx.sum(model(x)))()[1]["asset_embedding"]
    assert (np.abs(np.array(gradients)).max(axis=1) > 0).tolist() == [True, False, True]


@pytest.mark.parametrize("mode", MODES)
def test_the_head_sees_the_level_of_the_last_bar_and_what_stands_behind_it(mode: Channels) -> None:
    statistics = np.stack([np.full(5, 0.3), np.full(5, 2.0)])
    model = PatchTST(_shape(mode, last_bar=2), seed=1, statistics=statistics)
    behind = np.random.default_rng(3).normal(size=(4, 23, 2))
    x = np.concatenate([_windows(), behind], axis=2).astype(np.float32)
    said = np.array(model(mx.array(x)))
    # What it adds to a head without it, which is given the same weights.
    plain = PatchTST(_shape(mode))
    weights = flat_arrays(model.parameters())
    head = np.array(weights.pop("head.weight"))
    up = {name: np.array(weights.pop(f"last_bar.{name}")) for name in ("weight", "bias")}
    plain.load_weights([*weights.items(), ("head.weight", mx.array(head[: -len(up["bias"])]))])
    levels = (x[:, -1, :5] - 0.3) / 2.0
    z = np.concatenate([levels, x[:, -1, 5:]], axis=1) @ up["weight"] + up["bias"]
    added = 0.5 * z * (1 + erf(z / np.sqrt(2))) @ head[-len(up["bias"]) :]
    assert np.abs(added).min() > 1e-3
    np.testing.assert_allclose(said, np.array(plain(mx.array(_windows()))) + added[:, 0], atol=1e-5)
    earlier = x.copy()
    earlier[:, :-1, 5:] += 1.0  # of the bars before, nothing behind the features counts
    assert np.array_equal(model(mx.array(earlier)), said)


def test_a_seed_is_a_model() -> None:
    a, b, c = (np.array(PatchTST(_shape("mixing"), seed=s).head.weight) for s in (4, 4, 5))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
