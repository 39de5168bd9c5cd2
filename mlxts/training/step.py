"""The compiled update, and the compiled forward pass of evaluation.

Windows are gathered on the device from one shared feature array by row index; nothing but the
loss comes back to the host.

Shapes: N rows of the feature array, F features, T context, A micro-batches, M samples each.
"""

import math
from functools import partial
from typing import Any, NamedTuple, cast

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from jaxtyping import Float32, Float64, Int32, Integer, Shaped, UInt32
from mlx.utils import tree_flatten, tree_map

from mlxts import platform, transfer
from mlxts.config.training import Precision, TrainingConfig
from mlxts.model.interfaces import Network
from mlxts.platform import device
from mlxts.training.distributed import ALONE, Ranks

_FLOAT32 = ("revin", "head", "last_bar")  # parts of the model that are never rounded


class Update(NamedTuple):
    loss: Float32[mx.array, ""]  # mean over the batch's samples
    grad_norm: Float32[mx.array, ""]  # before clipping


class UnderWay(NamedTuple):
    """An update that the device works on."""

    update: Update
    samples: int
    began: float  # on the clock of `time.perf_counter`
    paused: bool = False  # whether the host waited meanwhile, so that its end was not seen


def windows(
    features: Float32[mx.array, "N F"], rows: Integer[mx.array, " M"], context: int
) -> Float32[mx.array, "M {context} F"]:
    """The `context` bars that end at each row."""
    return features[rows[:, None] + mx.arange(1 - context, 1, dtype=mx.int32)[None, :]]


def sample_losses(
    outputs: Float32[mx.array, " M"],
    targets: Float32[mx.array, " M"],
    *,
    binary: bool,
    huber_delta: float,
) -> Float32[mx.array, " M"]:
    """Binary cross-entropy from logits, or Huber."""
    if binary:
        return nn.losses.binary_cross_entropy(outputs, targets, with_logits=True, reduction="none")
    return nn.losses.huber_loss(outputs, targets, delta=huber_delta, reduction="none")


def in_precision(parameters: Any, precision: Precision) -> Any:
    """A model's parameters as one training pass reads them; gradients reach those given.

    In bfloat16 the encoder and the embedding are rounded. RevIN's statistics and the head stay in
    float32: both are small, and a logit needs more than the three digits of bfloat16.
    """
    if precision == "float32":
        return parameters
    return {
        name: tree if name in _FLOAT32 else tree_map(lambda p: p.astype(mx.bfloat16), tree)
        for name, tree in parameters.items()
    }


def make_optimizer(training: TrainingConfig) -> optim.MultiOptimizer:
    """AdamW (Loshchilov & Hutter 2019) with bias correction; biases and gains do not decay."""

    def adamw(weight_decay: float) -> optim.AdamW:
        return optim.AdamW(
            learning_rate=training.learning_rate,
            betas=[training.beta1, training.beta2],
            weight_decay=weight_decay,
            bias_correction=True,
        )

    def is_matrix(path: str, value: Shaped[mx.array, "..."]) -> bool:
        return value.ndim > 1 and not path.endswith("position")

    return optim.MultiOptimizer([adamw(training.weight_decay), adamw(0.0)], [is_matrix])


def learning_rate(training: TrainingConfig, step: int) -> float:
    """Linear warm-up over the first `warmup_steps` updates, then constant. `step` starts at 0."""
    if step >= training.warmup_steps:
        return training.learning_rate
    return training.learning_rate * (step + 1) / training.warmup_steps


def clip(gradients: Any, largest: float) -> tuple[Any, Float32[mx.array, ""]]:
    """Gradients whose common 2-norm is at most `largest`, and the norm they had (as PyTorch does).

    On a CPU each sum of squares is a row times itself: the BLAS adds five times as fast as MLX's
    own reduction, which is also off by 0.4 % for four million terms.
    """
    if device.device() != "cpu":
        return optim.clip_grad_norm(gradients, largest)
    # In the tree's own order, in which the backward pass frees what it is done with: sorted by
    # name, gradient checkpointing would need as much memory as none.
    leaves = cast("list[tuple[str, mx.array]]", tree_flatten(gradients))
    rows = [gradient.reshape(1, -1) for _, gradient in leaves]
    norm = mx.sqrt(mx.sum(mx.concatenate([(row @ row.T).reshape(1) for row in rows])))
    scale = mx.minimum(largest / (norm + 1e-6), 1.0)
    return tree_map(lambda gradient: gradient * scale, gradients), norm


class Step:
    """One optimizer update over A micro-batches of M samples.

    The loss is the weighted mean over all A*M samples, so padding with weight 0 changes nothing
    and the layout (4 x 32 or 1 x 128) is only a matter of memory.

    A single micro-batch is one compiled graph, gather to AdamW. Of several, each is evaluated
    before the next begins: memory is that of one micro-batch and two sets of gradients, whatever
    A is, and so is the time to compile. Unrolled into one graph they are not faster at A = 2 and
    up to 7 % faster from A = 4 (their gradients are added in one go), but then every set of
    gradients is held at once (on a CPU, 2M: 114 MiB instead of 61 at A = 32), and it is for want
    of memory that a batch is cut.

    With `precision: bfloat16` each pass rounds its weights anew; the weights that are updated,
    the gradients, AdamW's moments and the loss are float32.

    With several `ranks`, each brings the gradients of its part of the batch and all take the same
    update from their mean.
    """

    def __init__(
        self,
        model: Network,
        optimizer: optim.MultiOptimizer,
        training: TrainingConfig,
        *,
        binary: bool,
        ranks: Ranks = ALONE,
    ):
        platform.enable(probe=True)
        trainable = model.trainable_parameters()
        optimizer.init(trainable)
        self._optimizer = optimizer
        self._training = training
        self._state: list[Any] = [model.state, optimizer.state]
        context = model.shape.context
        losses = partial(sample_losses, binary=binary, huber_delta=training.huber_delta)

        def micro_batch_loss(
            parameters: Any,
            features: Float32[mx.array, "N F"],
            rows: Int32[mx.array, " M"],
            targets: Float32[mx.array, " M"],
            weights: Float32[mx.array, " M"],
            keys: UInt32[mx.array, "M 2"],
        ) -> Float32[mx.array, ""]:
            model.update(in_precision(parameters, training.precision))
            outputs = model.forward(
                windows(features, rows, context),
                keys,
                checkpointing=training.gradient_checkpointing,
            )
            return mx.sum(losses(outputs, targets) * weights)

        differentiate = mx.value_and_grad(micro_batch_loss)

        def micro_batch_pass(*inputs: mx.array) -> tuple[Float32[mx.array, ""], Any]:
            parameters = model.trainable_parameters()
            loss, gradients = differentiate(parameters, *inputs)
            model.update(parameters)  # differentiating left its placeholders in the model
            return loss, gradients

        def update(sums: tuple[Float32[mx.array, ""], Any]) -> Update:
            loss, gradients = ranks.mean(sums)
            clipped, norm = clip(gradients, training.clip_norm)
            optimizer.update(model, clipped)
            return Update(loss, norm)

        def accumulate(sums: Any, *inputs: mx.array) -> Any:
            return tree_map(mx.add, sums, micro_batch_pass(*inputs))

        # Every pass over a micro-batch moves the running statistics of batch normalisation.
        has_statistics = len(tree_flatten(model.parameters())) > len(tree_flatten(trainable))
        compile_pass = partial(
            mx.compile, inputs=[model.state], outputs=[model.state] if has_statistics else None
        )
        compile_update = partial(mx.compile, inputs=self._state, outputs=self._state)
        self._only = compile_update(lambda *inputs: update(micro_batch_pass(*inputs)))
        self._first, self._more = compile_pass(micro_batch_pass), compile_pass(accumulate)
        self._last = compile_update(lambda sums, *inputs: update(accumulate(sums, *inputs)))

    def __call__(
        self,
        step: int,
        features: Float32[mx.array, "N F"],
        rows: Int32[mx.array, "A M"],
        targets: Float32[mx.array, "A M"],
        weights: Float32[mx.array, "A M"],
        keys: UInt32[mx.array, "A M 2"],
    ) -> Update:
        """Start update number `step` (from 0) and return its results, still being computed.

        Args:
            weights: their sum is 1. keys: for dropout.
        """
        self._optimizer.learning_rate = learning_rate(self._training, step)
        parts = list(zip(rows, targets, weights, keys, strict=True))
        if len(parts) == 1:
            result = Update(*self._only(features, *parts[0]))
        else:
            sums = self._first(features, *parts[0])
            for part in parts[1:-1]:
                transfer.evaluate(sums)  # otherwise the graphs of all parts would be held at once
                sums = self._more(sums, features, *part)
            transfer.evaluate(sums)
            result = Update(*self._last(sums, features, *parts[-1]))
            del sums
        transfer.start(result, self._state)
        return result


class Forward:
    """Outputs without dropout, in batches of one fixed size (a new shape would compile anew).

    In float32 from the master weights, whatever precision training uses: scores are then of one
    model on every machine, and evaluation is a small part of the time.
    """

    def __init__(self, model: Network, batch: int):
        platform.enable(probe=True)
        self._batch = batch
        context = model.shape.context

        @partial(mx.compile, inputs=[model.state])
        def forward(
            features: Float32[mx.array, "N F"], rows: Int32[mx.array, " M"]
        ) -> Float32[mx.array, " M"]:
            return model.forward(windows(features, rows, context))

        self._forward = forward

    def __call__(
        self, features: Float32[mx.array, "N F"], rows: Integer[np.ndarray, " n"]
    ) -> Float64[np.ndarray, " n"]:
        """Outputs of the windows that end at n rows, in target units of the loss."""
        if not len(rows):
            return np.zeros(0)
        padded = np.resize(rows, math.ceil(len(rows) / self._batch) * self._batch)
        outputs = []
        for chunk in padded.reshape(-1, self._batch):
            output = self._forward(features, mx.array(chunk.astype(np.int32)))
            outputs.append(transfer.on_host(output).astype(np.float64))
        return np.concatenate(outputs)[: len(rows)]
