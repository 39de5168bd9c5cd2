"""What cutting a batch of 128 into micro-batches costs, saves and changes.

Dropout draws its masks sample by sample, whatever the layout, so losses may differ by the order of
sums alone.
"""

import time

from benchmarks.harness import Benchmark, Picture, Row, fresh, main
from mlxts import transfer
from mlxts.platform import device  # before MLX, so that MLX finds the fast BLAS

# isort: split
import mlx.core as mx
import numpy as np

from mlxts.config.model import ModelConfig
from mlxts.config.training import TrainingConfig
from mlxts.model import parameter_budget
from mlxts.model.patchtst import PatchTST
from mlxts.training.sampler import Batches
from mlxts.training.step import Step, make_optimizer

BATCH, ROWS, FEATURES, STEPS = 128, 2000, 20, 3
LAYOUTS = (1, 2, 4, 8, 16, 32)  # micro-batches a step


def layout(channels: str, size: str, parts: int) -> Row:
    """Best seconds of a step, peak memory, and the loss of the last of three steps."""
    rng = np.random.default_rng(0)
    model_config = ModelConfig.model_validate({"channels": channels})
    training = TrainingConfig(batch_size=BATCH)
    model = PatchTST(parameter_budget.solve(size, FEATURES, model_config), seed=0)
    optimizer = make_optimizer(training)
    step = Step(model, optimizer, training, binary=True)
    data = mx.array(rng.standard_normal((ROWS, FEATURES), dtype=np.float32))
    targets = (rng.random(ROWS - 100) < 0.2).astype(np.float32)
    batches = Batches(np.arange(100, ROWS), targets, BATCH, BATCH // parts, seed=0)
    seconds, loss = [], 0.0
    for index in range(STEPS):
        drawn = batches.at(index)
        began = time.perf_counter()
        update = step(index, data, drawn.rows, drawn.targets, drawn.weights, drawn.keys)
        transfer.evaluate(update, model.state, optimizer.state)
        seconds.append(time.perf_counter() - began)
        loss = float(transfer.on_host(update.loss))
    return {
        "budget": size,
        "channels": channels,
        "layout": f"{parts} x {BATCH // parts}",
        "seconds": min(seconds[1:]),
        "mlx_mib": device.memory()["peak"] / 2**20,
        "loss": loss,
    }


def measure(quick: bool) -> list[Row]:
    rows: list[Row] = []
    for channels in ("mixing",) if quick else ("mixing", "independent"):
        size = "0.02M" if quick else "2M"
        case = {"channels": channels, "size": size}
        found = [fresh(__file__, {**case, "parts": parts}) for parts in LAYOUTS]
        whole = found[0]["loss"]
        rows += [row | {"difference": abs(row["loss"] - whole) / whole} for row in found]
    return rows


BENCHMARK = Benchmark(
    name="accumulation",
    question="What does it cost to split a batch of 128 into micro-batches?",
    measure=measure,
    columns={
        "budget": "budget",
        "channels": "channels",
        "layout": "micro-batches x samples",
        "seconds": "s/step|.3f",
        "mlx_mib": "MLX peak MiB|,.0f",
        "loss": "loss after 3 steps|.6f",
        "difference": "relative difference to 1 x 128|.1e",
    },
    picture=Picture("bars", ("channels", "layout"), "mlx_mib", "channels"),
    notes=("20 features, dropout 0.5, best of two steps after the first.",),
    case=layout,
)

if __name__ == "__main__":
    main(BENCHMARK)
