"""Our step, exactly as training takes it."""

from mlxts import platform, transfer
from mlxts.platform import blas, device

# isort: split
import mlx.core as mx
import mlx.nn as nn
import numpy as np

from contenders import case as given
from mlxts.config.model import ModelConfig
from mlxts.config.training import TrainingConfig
from mlxts.model import flops, parameter_budget
from mlxts.model.patchtst import PatchTST, Shape, flat_arrays
from mlxts.training.sampler import Batches
from mlxts.training.step import Step, make_optimizer, sample_losses, windows


def shape_of(case: given.Case, dropout: float) -> Shape:
    """The shape that training would solve for this case."""
    model = ModelConfig.model_validate({"channels": case.channels, "dropout": dropout})
    return parameter_budget.solve(case.budget, case.features, model)


class Ours:
    """See `case.Contender`."""

    def __init__(self, case: given.Case, dropout: float):
        self._data = given.data(case)
        self._features = mx.array(self._data.features)
        self.shape = shape_of(case, dropout)
        planned = flops.resting_bytes(self.shape) + flops.activation_bytes(self.shape, case.batch)
        taken = self._data.features.nbytes
        largest = flops.largest_bytes(self.shape, case.batch)
        device.limit_memory(taken + planned, taken + largest)  # as a run does
        self.model = PatchTST(self.shape)
        training = TrainingConfig(
            batch_size=case.batch,
            learning_rate=given.LEARNING_RATE,
            weight_decay=given.WEIGHT_DECAY,
            beta1=given.BETAS[0],
            beta2=given.BETAS[1],
            clip_norm=given.CLIP,
        )
        self._optimizer = make_optimizer(training)
        self._step = Step(self.model, self._optimizer, training, binary=True)
        rows = np.arange(100, given.ROWS)
        self._batches = Batches(rows, self._data.targets[rows], case.batch, case.batch, seed=0)

    def step(self, index: int) -> None:
        drawn = self._batches.at(index)
        result = self._step(
            index, self._features, drawn.rows, drawn.targets, drawn.weights, drawn.keys
        )
        transfer.evaluate(result, self.model.state, self._optimizer.state)

    def loss_and_gradients(self) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """On the first batch, compiled as in training: loss, parameters, gradients by name."""
        rows = mx.array(self._data.batches[0])
        targets = mx.array(self._data.targets[self._data.batches[0]])

        def loss_of(rows: mx.array, targets: mx.array) -> mx.array:
            outputs = self.model.forward(windows(self._features, rows, self.shape.context))
            return mx.mean(sample_losses(outputs, targets, binary=True, huber_delta=1.0))

        state = [self.model.state]
        both = mx.compile(nn.value_and_grad(self.model, loss_of), inputs=state, outputs=state)
        loss, gradients = both(rows, targets)
        learned, gradients = transfer.on_host(
            (flat_arrays(self.model.trainable_parameters()), flat_arrays(gradients))
        )
        return float(transfer.on_host(loss)), learned, gradients

    def peak(self) -> float:
        return device.matmul_gflops(repeats=8)

    def facts(self) -> dict[str, object]:
        """What the table says of the process: kernels, BLAS, FLOPs of one step."""
        return {
            "kernels": "vector" if platform.enable() else "stock",
            "blas": blas.load().name,
            "flops": flops.training_flops(self.shape, self._data.batches[0].size),
        }
