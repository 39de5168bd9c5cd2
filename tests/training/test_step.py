"""The compiled update against plain ones."""

import math

import mlx.core as mx
import numpy as np
import pytest

from mlxts.config import TrainingConfig
from mlxts.model.patchtst import PatchTST, Shape, flat_arrays
from mlxts.training.batches import Batches
from mlxts.training.step import (
    Forward,
    Step,
    learning_rate,
    make_optimizer,
    sample_losses,
    windows,
)

SHAPE = Shape("mixing", 3, 12, 4, 4, 8, 1, 2, 12, 3, dropout=0.0)
FEATURES = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)


def _after(
    steps: int, micro: int, training: TrainingConfig, n: int = 64, binary: bool = True
) -> tuple[dict[str, np.ndarray], list[tuple[float, float]]]:
    model = PatchTST(SHAPE, seed=0)
    step = Step(model, make_optimizer(training), training, binary=binary)
    targets = (FEATURES[20 : 20 + n, 0] > 0).astype(np.float32)
    batches = Batches(np.arange(20, 20 + n), targets, 32, micro, seed=0)
    seen = []
    for index in range(steps):
        batch = batches.at(index)
        update = step(
            index, mx.array(FEATURES), batch.rows, batch.targets, batch.weights, batch.keys
        )
        seen.append((float(update.loss), float(update.grad_norm)))
    return {k: np.array(v) for k, v in flat_arrays(model.parameters()).items()}, seen


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
    for name, value in one.items():
        np.testing.assert_allclose(several[name], value, atol=2e-5, err_msg=name)


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
