"""Compile the kernels of training once, so that the first real run need not wait for them.

MLX fuses element-wise operations into C++ that it compiles the first time it meets them, and
`cpu_jit.py` keeps the result for this machine. A kernel is known by its operations, types and
constants, not by the sizes of arrays: two steps on noise compile what a run of that budget needs.
A few constants follow from a model's width, so another budget compiles a handful more.

`python -m mlxts.workspace.warm_kernels` is run by `make setup`.
"""

import time
from typing import NamedTuple

import mlx.core as mx
import numpy as np

from mlxts import platform, transfer
from mlxts.config.model import ModelConfig
from mlxts.config.training import TrainingConfig
from mlxts.model import parameter_budget as budgets
from mlxts.model.patchtst import PatchTST
from mlxts.training.sampler import Batches
from mlxts.training.step import Forward, Step, make_optimizer

_ROWS, _FEATURES = 400, 20
_BUDGET = "2M"  # the one that a day begins with


class Seconds(NamedTuple):
    first: float  # step, compiling what is not compiled yet
    second: float


def two_steps(channels: str, *, binary: bool, budget: str = _BUDGET, batch: int = 8) -> Seconds:
    """Train a model of `budget` for two steps on noise, and let it forecast once."""
    rng = np.random.default_rng(0)
    training = TrainingConfig(batch_size=batch)
    shape = budgets.solve(budget, _FEATURES, ModelConfig.model_validate({"channels": channels}))
    model, optimizer = PatchTST(shape, seed=0), make_optimizer(training)
    features = mx.array(rng.standard_normal((_ROWS, _FEATURES), dtype=np.float32))
    rows = np.arange(shape.context, _ROWS)
    targets = (rng.random(len(rows)) < 0.5).astype(np.float32)
    batches = Batches(rows, targets, batch, batch, seed=0)
    step = Step(model, optimizer, training, binary=binary)
    seconds = []
    for index in range(2):
        samples = batches.at(index)
        began = time.perf_counter()
        step(index, features, samples.rows, samples.targets, samples.weights, samples.keys)
        transfer.evaluate(model.state, optimizer.state)
        seconds.append(time.perf_counter() - began)
    Forward(model, 32)(features, rows[:32])
    return Seconds(*seconds)


def main() -> None:
    """Compile for both channel modes and both kinds of task; nothing where kernels stay stock."""
    if not platform.enable(probe=True):
        return
    for channels in ("mixing", "independent"):
        for binary in (True, False):
            two_steps(channels, binary=binary)


if __name__ == "__main__":
    main()
