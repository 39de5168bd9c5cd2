"""The compiled update, and the compiled forward pass of evaluation.

Windows are gathered on the device from one shared feature array by row index; nothing but the
loss comes back to the host.

Shapes: N rows of the feature array, F features, T context, A micro-batches, M samples each.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_map

from mlxts import kernels
from mlxts.config import TrainingConfig
from mlxts.model.patchtst import PatchTST


class TargetScale(NamedTuple):
    """Regression targets are learned in units of the training split's deviation.

    Binary tasks use (0, 1): the logit is the model's output.
    """

    center: float
    scale: float


class Update(NamedTuple):
    loss: mx.array  # mean over the batch's samples
    grad_norm: mx.array  # before clipping


def windows(features: mx.array, rows: mx.array, context: int) -> mx.array:
    """(N, F), (M,) -> (M, T, F): the `context` bars that end at each row."""
    return features[rows[:, None] + mx.arange(1 - context, 1, dtype=mx.int32)[None, :]]


def sample_losses(
    outputs: mx.array, targets: mx.array, *, binary: bool, huber_delta: float
) -> mx.array:
    """(M,) losses: binary cross-entropy from logits, or Huber."""
    if binary:
        return nn.losses.binary_cross_entropy(outputs, targets, with_logits=True, reduction="none")
    return nn.losses.huber_loss(outputs, targets, delta=huber_delta, reduction="none")


def make_optimizer(training: TrainingConfig) -> optim.MultiOptimizer:
    """AdamW (Loshchilov & Hutter 2019) with bias correction; biases and gains do not decay."""

    def adamw(weight_decay: float) -> optim.AdamW:
        return optim.AdamW(
            learning_rate=training.learning_rate,
            betas=[training.beta1, training.beta2],
            weight_decay=weight_decay,
            bias_correction=True,
        )

    def is_matrix(path: str, value: mx.array) -> bool:
        return value.ndim > 1 and not path.endswith("position")

    return optim.MultiOptimizer([adamw(training.weight_decay), adamw(0.0)], [is_matrix])


def learning_rate(training: TrainingConfig, step: int) -> float:
    """Linear warm-up over the first `warmup_steps` updates, then constant. `step` starts at 0."""
    if step >= training.warmup_steps:
        return training.learning_rate
    return training.learning_rate * (step + 1) / training.warmup_steps


class Step:
    """One optimizer update over A micro-batches of M samples, compiled once.

    The loss is the weighted mean over all A*M samples, so padding with weight 0 changes nothing
    and the layout (4 x 32 or 1 x 128) is only a matter of memory.
    """

    def __init__(
        self,
        model: PatchTST,
        optimizer: optim.MultiOptimizer,
        training: TrainingConfig,
        *,
        binary: bool,
    ):
        kernels.enable(probe=True)
        optimizer.init(model.trainable_parameters())
        self._optimizer = optimizer
        self._training = training
        self._state: list[Any] = [model.state, optimizer.state]
        context = model.shape.context
        losses = partial(sample_losses, binary=binary, huber_delta=training.huber_delta)

        def batch_loss(
            features: mx.array, rows: mx.array, targets: mx.array, weights: mx.array, key: mx.array
        ) -> mx.array:
            outputs = model(windows(features, rows, context), key)
            return mx.sum(losses(outputs, targets) * weights)

        loss_and_gradients = nn.value_and_grad(model, batch_loss)

        @partial(mx.compile, inputs=self._state, outputs=self._state)
        def update(
            features: mx.array, rows: mx.array, targets: mx.array, weights: mx.array, keys: mx.array
        ) -> Update:
            loss, gradients = loss_and_gradients(features, rows[0], targets[0], weights[0], keys[0])
            for index in range(1, rows.shape[0]):
                more, added = loss_and_gradients(
                    features, rows[index], targets[index], weights[index], keys[index]
                )
                loss = loss + more
                gradients = tree_map(mx.add, gradients, added)
            gradients, norm = optim.clip_grad_norm(gradients, training.clip_norm)
            optimizer.update(model, gradients)
            return Update(loss, norm)

        self._update = update

    def __call__(
        self,
        step: int,
        features: mx.array,
        rows: mx.array,
        targets: mx.array,
        weights: mx.array,
        keys: mx.array,
    ) -> Update:
        """Start update number `step` (from 0) and return its results, still being computed.

        Args:
            features: (N, F) float32. rows: (A, M) int32. targets: (A, M) float32.
            weights: (A, M) float32 that sum to 1. keys: (A, 2) uint32, for dropout.
        """
        self._optimizer.learning_rate = learning_rate(self._training, step)
        result = Update(*self._update(features, rows, targets, weights, keys))
        mx.async_eval(result, self._state)
        return result


class Forward:
    """Outputs without dropout, in batches of one fixed size (a new shape would compile anew)."""

    def __init__(self, model: PatchTST, batch: int):
        kernels.enable(probe=True)
        self._batch = batch
        context = model.shape.context

        @partial(mx.compile, inputs=[model.state])
        def forward(features: mx.array, rows: mx.array) -> mx.array:
            return model(windows(features, rows, context))

        self._forward = forward

    def __call__(self, features: mx.array, rows: np.ndarray) -> np.ndarray:
        """(N, F), (n,) -> (n,) float64 outputs, in target units of the loss."""
        if not len(rows):
            return np.zeros(0)
        padded = np.resize(rows, math.ceil(len(rows) / self._batch) * self._batch)
        outputs = []
        for chunk in padded.reshape(-1, self._batch):
            output = self._forward(features, mx.array(chunk.astype(np.int32)))
            mx.eval(output)
            outputs.append(np.asarray(output, dtype=np.float64))
        return np.concatenate(outputs)[: len(rows)]
