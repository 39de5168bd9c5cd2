"""The compiled update against plain ones."""

import math
from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest

from mlxts.config.training import Precision, TrainingConfig
from mlxts.model.patchtst import PatchTST, Shape, flat_arrays
from mlxts.training.sampler import Batches
from mlxts.training.step import (
    Forward,
    Step,
    clip,
    learning_rate,
    make_optimizer,
    sample_losses,
    windows,
)

SHAPE = Shape("mixing", 3, 12, 4, 4, 8, 1, 2, 12, 3, dropout=0.0)
FEATURES = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)


Arrays = dict[str, np.ndarray]


def _after(
    steps: int, micro: int, training: TrainingConfig, n: int = 64
) -> tuple[Arrays, list[tuple[float, float]]]:
    weights, _, seen = _trained(SHAPE, steps, micro, training, n, 32)
    return weights, seen


def _trained(
    shape: Shape, steps: int, micro: int, training: TrainingConfig, n: int, batch_size: int
) -> tuple[Arrays, Arrays, list[tuple[float, float]]]:
    """Weights, optimizer state, and (loss, gradient norm) of every step."""
    model, optimizer = PatchTST(shape, seed=0), make_optimizer(training)
    step = Step(model, optimizer, training, binary=True)
    targets = (FEATURES[20 : 20 + n, 0] > 0).astype(np.float32)
    batches = Batches(np.arange(20, 20 + n), targets, batch_size, micro, seed=0)
    seen = []
    for index in range(steps):
        batch = batches.at(index)
        update = step(
            index, mx.array(FEATURES), batch.rows, batch.targets, batch.weights, batch.keys
        )
        seen.append((float(update.loss), float(update.grad_norm)))
    weights, state = (
        {k: np.array(v) for k, v in flat_arrays(tree).items()}
        for tree in (model.parameters(), optimizer.state)
    )
    return weights, state, seen


def _reference_adamw(training: TrainingConfig, steps: int) -> dict[str, np.ndarray]:
    """Loshchilov & Hutter with bias correction, in NumPy, on uncompiled gradients."""
    import mlx.nn as nn

    model = PatchTST(SHAPE, seed=0)
    targets = (FEATURES[20:84, 0] > 0).astype(np.float32)
    batches = Batches(np.arange(20, 84), targets, 32, 32, seed=0)
    first, second = {}, {}
    for index in range(steps):
        batch = batches.at(index)

        def loss(batch=batch) -> mx.array:
            out = model(windows(mx.array(FEATURES), batch.rows[0], 12))
            losses = sample_losses(out, batch.targets[0], binary=True, huber_delta=1.0)
            return mx.mean(losses)

        gradients = flat_arrays(nn.value_and_grad(model, loss)()[1])
        norm = math.sqrt(sum(float(mx.sum(g * g)) for g in gradients.values()))
        clip = min(1.0, training.clip_norm / norm)
        new = []
        for name, value in flat_arrays(model.trainable_parameters()).items():
            g = np.array(gradients[name], np.float64) * clip
            w = np.array(value, np.float64)
            m = first[name] = training.beta1 * first.get(name, 0) + (1 - training.beta1) * g
            v = second[name] = training.beta2 * second.get(name, 0) + (1 - training.beta2) * g**2
            decays = w.ndim > 1 and name != "position"
            w = w * (1 - training.learning_rate * (training.weight_decay if decays else 0.0))
            corrected = np.sqrt(v / (1 - training.beta2 ** (index + 1))) + 1e-8
            w -= training.learning_rate * m / (1 - training.beta1 ** (index + 1)) / corrected
            new.append((name, mx.array(w.astype(np.float32))))
        model.load_weights(new, strict=False)
    return {k: np.array(v) for k, v in flat_arrays(model.parameters()).items()}


def test_the_update_is_adamw_with_bias_correction_clipping_and_selective_decay() -> None:
    training = TrainingConfig(learning_rate=1e-3, weight_decay=0.3, clip_norm=0.05)
    compiled, _ = _after(4, 32, training)
    for name, want in _reference_adamw(training, 4).items():
        np.testing.assert_allclose(compiled[name], want, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("micro", [16, 8, 4])
def test_accumulating_over_micro_batches_is_one_large_batch(micro: int) -> None:
    training = TrainingConfig(learning_rate=1e-3)
    one, seen = _after(1, 32, training)
    several, seen_too = _after(1, micro, training)
    np.testing.assert_allclose(seen, seen_too, rtol=1e-5)
    several = _without_key_bias(several)
    for name, value in _without_key_bias(one).items():
        np.testing.assert_allclose(several[name], value, atol=2e-5, err_msg=name)


def _distance(a: Arrays, b: Arrays) -> float:
    """Norm of the difference of all arrays together, relative to the norm of `a`."""
    apart = math.sqrt(sum(float(np.sum((a[k] - b[k]) ** 2, dtype=np.float64)) for k in a))
    return apart / math.sqrt(sum(float(np.sum(a[k] ** 2, dtype=np.float64)) for k in a))


def _without_key_bias(weights: Arrays) -> Arrays:
    """Softmax ignores what the keys' bias adds, so its gradient is zero but for rounding.

    AdamW divides that rounding by its own size; it reaches no output.
    """
    kept = dict(weights)
    for name, value in weights.items():
        if name.endswith("qkv.bias"):
            kept[name] = np.delete(value, np.s_[len(value) // 3 : 2 * len(value) // 3])
    return kept


@pytest.mark.parametrize("channels", ["mixing", "independent"])
def test_with_dropout_the_layout_changes_nothing_either(channels) -> None:
    shape = replace(SHAPE, channels=channels, depth=2, dropout=0.5, head_dropout=0.3)
    training = TrainingConfig(learning_rate=1e-3)
    whole, moments, seen = _trained(shape, 4, 128, training, 180, 128)
    gradients = {name: value for name, value in moments.items() if name.endswith(".m")}
    for micro in (64, 32, 1):
        weights, state, also = _trained(shape, 4, micro, training, 180, 128)
        np.testing.assert_allclose(also, seen, rtol=1e-6, err_msg=str(micro))
        assert _distance(gradients, {name: state[name] for name in gradients}) < 1e-6
        assert _distance(_without_key_bias(whole), _without_key_bias(weights)) < 1e-6


def _peak(shape: Shape, training: TrainingConfig, batch_size: int, micro: int) -> int:
    """Bytes that an update takes on top of model, optimizer and features."""
    model, optimizer = PatchTST(shape), make_optimizer(training)
    step = Step(model, optimizer, training, binary=True)
    batches = Batches(np.arange(20, 180), FEATURES[20:180, 0], batch_size, micro, seed=0)
    features, held = mx.array(FEATURES), 0
    for index in range(2):
        batch = batches.at(index)
        mx.reset_peak_memory()
        held = mx.get_active_memory()
        step(index, features, batch.rows, batch.targets, batch.weights, batch.keys)
        mx.eval(model.state, optimizer.state)
    return mx.get_peak_memory() - held


def test_memory_does_not_grow_with_the_number_of_micro_batches() -> None:
    shape = replace(SHAPE, channels="independent", d_model=64, ffn_dim=256, dropout=0.5)
    few, many = (_peak(shape, TrainingConfig(), 8 * parts, 8) for parts in (3, 24))
    assert many < 2 * few  # unrolled it would be eight times as much


def _learns(precision: Precision) -> tuple[np.ndarray, Arrays, Arrays]:
    """Losses, weights and optimizer state over 50 updates on something that can be learned."""
    shape = replace(SHAPE, d_model=16, heads=2, ffn_dim=32, dropout=0.1)
    training = TrainingConfig(learning_rate=3e-3, precision=precision)
    weights, state, seen = _trained(shape, 50, 64, training, 160, 64)
    return np.array(seen)[:, 0], weights, state


def test_bfloat16_learns_what_float32_learns() -> None:
    (full, _, _), (half, weights, state) = _learns("float32"), _learns("bfloat16")
    assert full[-6:].mean() < 0.6 * full[:6].mean()
    assert not np.array_equal(full, half)
    np.testing.assert_allclose(half[:6], full[:6], rtol=0.01)
    assert half[-6:].mean() == pytest.approx(full[-6:].mean(), rel=0.05)
    assert {value.dtype for value in weights.values()} == {np.dtype(np.float32)}
    moments = {v.dtype for name, v in state.items() if name.endswith((".m", ".v"))}
    assert moments == {np.dtype(np.float32)}


def test_bfloat16_keeps_updates_that_are_smaller_than_its_own_resolution() -> None:
    training = TrainingConfig(learning_rate=1e-6, weight_decay=0.0, precision="bfloat16")
    before = flat_arrays(PatchTST(SHAPE, seed=0).parameters())
    after, _ = _after(1, 32, training)
    for name in ("encoder.layers.0.ffn_up.weight", "embed.weight", "head.weight"):
        moved = np.abs(after[name] - np.array(before[name]))
        assert (moved > 0).mean() > 0.9, name
        assert moved.max() < 2e-6, name


@pytest.mark.parametrize("channels", ["mixing", "independent"])
def test_gradient_checkpointing_changes_no_gradient(channels) -> None:
    shape = replace(SHAPE, channels=channels, depth=3, dropout=0.5, head_dropout=0.3)
    kept, recomputed = (
        _trained(shape, 3, 32, TrainingConfig(gradient_checkpointing=on), 64, 64)
        for on in (False, True)
    )
    np.testing.assert_allclose(recomputed[2], kept[2], rtol=1e-6)
    gradients = {name: value for name, value in kept[1].items() if name.endswith(".m")}
    assert all(np.abs(gradient).max() > 0 for gradient in gradients.values())
    assert _distance(gradients, {name: recomputed[1][name] for name in gradients}) < 1e-6
    assert _distance(_without_key_bias(kept[0]), _without_key_bias(recomputed[0])) < 1e-6


def test_gradient_checkpointing_needs_less_memory() -> None:
    shape = replace(SHAPE, channels="independent", d_model=32, depth=8, ffn_dim=128, dropout=0.5)
    kept, recomputed = (
        _peak(shape, TrainingConfig(gradient_checkpointing=on), 64, 64) for on in (False, True)
    )
    assert recomputed < 0.6 * kept


def test_padding_a_short_batch_changes_nothing() -> None:
    training = TrainingConfig(learning_rate=1e-3)
    padded, seen = _after(1, 16, training, n=21)
    model = PatchTST(SHAPE, seed=0)
    rows = np.arange(20, 41)
    out = np.array(model(windows(mx.array(FEATURES), mx.array(rows), 12)), np.float64)
    targets = (FEATURES[20:41, 0] > 0).astype(np.float64)
    want = np.mean(np.logaddexp(0, out) - targets * out)
    assert seen[0][0] == pytest.approx(want, rel=1e-5)
    assert padded


def test_the_same_steps_give_the_same_bytes() -> None:
    training = TrainingConfig(learning_rate=1e-3)
    (a, seen_a), (b, seen_b) = _after(3, 8, training), _after(3, 8, training)
    assert seen_a == seen_b
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_windows_end_at_their_row() -> None:
    got = np.array(windows(mx.array(FEATURES), mx.array([11, 50, 199]), 12))
    for index, row in enumerate((11, 50, 199)):
        assert np.array_equal(got[index], FEATURES[row - 11 : row + 1])


@pytest.mark.parametrize("n", [0, 1, 7, 16, 33])
def test_forward_gives_one_output_a_row_whatever_the_batch(n: int) -> None:
    model = PatchTST(SHAPE, seed=0)
    rows = np.arange(20, 20 + n)
    got = Forward(model, 16)(mx.array(FEATURES), rows)
    want = [float(model(mx.array(FEATURES[r - 11 : r + 1][None]))[0]) for r in rows]
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_losses_agree_with_their_formulas() -> None:
    z, y = np.array([-30.0, -1.0, 0.2, 40.0]), np.array([0.0, 1.0, 1.0, 0.0])
    got = sample_losses(mx.array(z), mx.array(y), binary=True, huber_delta=1.0)
    np.testing.assert_allclose(np.array(got), np.logaddexp(0, z) - y * z, rtol=1e-5, atol=1e-7)
    got = sample_losses(mx.array(z), mx.array(y), binary=False, huber_delta=0.5)
    e = np.abs(z - y)
    want = np.where(e <= 0.5, 0.5 * e**2, 0.5 * (e - 0.25))
    np.testing.assert_allclose(np.array(got), want, rtol=1e-5)


def test_warm_up_rises_linearly_to_the_learning_rate() -> None:
    training = TrainingConfig(learning_rate=0.4, warmup_steps=4)
    assert [learning_rate(training, s) for s in range(6)] == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.4, 0.4]
    )


def test_gradients_are_clipped_by_their_common_norm() -> None:
    drawn = np.random.default_rng(5).normal(size=(2, 1000, 1500)) * 1e-3
    gradients = {"a": mx.array(drawn[0].astype("f4")), "b": [mx.array(drawn[1, 0].astype("f4"))]}
    want = math.sqrt((drawn[0] ** 2).sum() + (drawn[1, 0] ** 2).sum())
    clipped, norm = clip(gradients, 0.5)
    assert float(norm) == pytest.approx(want, rel=1e-5)
    np.testing.assert_allclose(np.array(clipped["a"]), drawn[0] * 0.5 / want, rtol=1e-4, atol=1e-9)
    untouched, _ = clip(gradients, 10.0)
    assert mx.array_equal(untouched["b"][0], gradients["b"][0])
