"""Whether the same seed gives the same bytes: a second time, and with two threads for one.

The order of a sum decides its last bits, and a library may split a sum among its threads. Each
case trains a few steps in fresh processes and compares every weight.
"""

import hashlib

from benchmarks.harness import Benchmark, Row, Skip, fresh, main
from mlxts import transfer
from mlxts.platform import device  # before MLX, so that MLX finds the fast BLAS

# isort: split
import mlx.core as mx
import numpy as np

from mlxts.config.model import ModelConfig
from mlxts.config.training import TrainingConfig
from mlxts.model import parameter_budget
from mlxts.model.patchtst import PatchTST, flat_arrays
from mlxts.training.sampler import Batches
from mlxts.training.step import Step, make_optimizer

ROWS = 2000
# budget, channels, features, samples a step, steps
CASES = (
    ("0.02M", "mixing", 20, 64, 20),
    ("2M", "mixing", 20, 64, 5), ("2M", "mixing", 200, 64, 5),
    ("2M", "independent", 20, 8, 5), ("2M", "independent", 200, 2, 5),
    ("20M", "mixing", 20, 64, 3), ("20M", "independent", 20, 8, 3),
)  # fmt: skip


def trained(name: str, channels: str, features: int, batch: int, steps: int) -> Row:
    """Losses of a few steps, and a digest of the weights after them."""
    rng = np.random.default_rng(0)
    shape = parameter_budget.solve(
        name, features, ModelConfig.model_validate({"channels": channels})
    )
    training = TrainingConfig(batch_size=batch)
    model, optimizer = PatchTST(shape, seed=0), make_optimizer(training)
    data = mx.array(rng.standard_normal((ROWS, features), dtype=np.float32))
    targets = (rng.random(ROWS - 100) < 0.2).astype(np.float32)
    step = Step(model, optimizer, training, binary=True)
    batches = Batches(np.arange(100, ROWS), targets, batch, batch, seed=0)
    losses = []
    for index in range(steps):
        drawn = batches.at(index)
        update = step(index, data, drawn.rows, drawn.targets, drawn.weights, drawn.keys)
        transfer.evaluate(update, model.state, optimizer.state)
        losses.append(float(transfer.on_host(update.loss)))
    digest = hashlib.sha256()
    for path, weights in transfer.on_host(flat_arrays(model.trainable_parameters())).items():
        digest.update(path.encode() + weights.tobytes())
    return {"losses": losses, "weights": digest.hexdigest()}


def measure(quick: bool) -> list[Row]:
    if device.device() != "cpu":
        raise Skip("threads matter where a CPU multiplies")
    rows = []
    for name, channels, features, batch, steps in CASES[:1] if quick else CASES:
        case = {"name": name, "channels": channels, "features": features, "batch": batch}
        one, again, two = (
            fresh(__file__, {**case, "steps": steps}, _threads(count)) for count in (1, 1, 2)
        )
        far = max(abs(a - b) / abs(a) for a, b in zip(one["losses"], two["losses"], strict=True))
        rows.append(
            {
                "budget": name,
                **case,
                "steps": steps,
                "again": one == again,
                "threads": one["weights"] == two["weights"],
                "difference": far,
            }
        )
    return rows


def _threads(count: int) -> dict[str, str]:
    names = ("MLXTS_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(count))


BENCHMARK = Benchmark(
    name="repeatability",
    question="Does the same seed give the same bytes?",
    measure=measure,
    columns={
        "budget": "budget",
        "channels": "channels",
        "features": "features",
        "batch": "batch",
        "steps": "steps",
        "again": "same weights, second run",
        "threads": "same weights, 2 threads instead of 1",
        "difference": "largest relative loss difference, 2 threads instead of 1|.1e",
    },
    notes=("All weights after the last step, each run in a new process.",),
    case=trained,
)

if __name__ == "__main__":
    main(BENCHMARK)
