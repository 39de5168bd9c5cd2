"""How fast a budget trains: samples a second, and the share of the matrix-product peak.

python benchmarks/throughput.py [--budgets 2M 20M 200M] [--modes mixing independent]
"""

import argparse
import statistics
import time

from mlxts import backend  # before MLX, so that MLX finds the fast BLAS

# isort: split
import mlx.core as mx
import numpy as np

from mlxts.cli.output import table
from mlxts.config import ModelConfig, TrainingConfig
from mlxts.model import budget, cost
from mlxts.model.patchtst import PatchTST
from mlxts.training.batches import Batches
from mlxts.training.step import Step, make_optimizer

ROWS = 4000
BATCH = {
    ("2M", "mixing"): 64, ("20M", "mixing"): 64, ("200M", "mixing"): 16,
    ("2M", "independent"): 8, ("20M", "independent"): 8, ("200M", "independent"): 1,
}  # fmt: skip


def measure(name: str, mode: str, features: int, repeats: int) -> list[object]:
    """One row of the table: a real step (gather, forward, backward, clipping, AdamW)."""
    rng = np.random.default_rng(0)
    shape = budget.solve(name, features, ModelConfig.model_validate({"channels": mode}))
    batch = BATCH[name, mode]
    data = mx.array(rng.standard_normal((ROWS, features), dtype=np.float32))
    targets = (rng.random(ROWS - 100) < 0.2).astype(np.float32)
    model, training = PatchTST(shape), TrainingConfig(batch_size=batch)
    optimizer = make_optimizer(training)
    step = Step(model, optimizer, training, binary=True)
    batches = Batches(np.arange(100, ROWS), targets, batch, batch, seed=0)
    mx.reset_peak_memory()
    seconds, peaks = [], []
    for index in range(repeats + 2):
        peaks.append(backend.matmul_gflops(repeats=1))  # the machine's own speed at this moment
        drawn = batches.at(index)
        began = time.perf_counter()
        step(index, data, drawn.rows, drawn.targets, drawn.weights, drawn.keys)
        mx.eval(model.state, optimizer.state)
        seconds.append(time.perf_counter() - began)
    best, peak = min(seconds[2:]), statistics.median(peaks)
    gflops = cost.training_flops(shape, batch) / best / 1e9
    return [
        name, mode, batch, f"{best:.3f}", f"{batch / best:.1f}", f"{gflops:.0f}",
        f"{gflops / peak:.0%}", f"{mx.get_peak_memory() / 2**20:,.0f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budgets", nargs="+", default=["2M", "20M", "200M"])
    parser.add_argument("--modes", nargs="+", default=["mixing", "independent"])
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=4)
    asked = parser.parse_args()
    rows = []
    for mode in asked.modes:
        for name in asked.budgets:
            rows.append(measure(name, mode, asked.features, asked.repeats))
            mx.clear_cache()
    machine = backend.describe()
    table(
        f"Training with {asked.features} features, float32, best of {asked.repeats}: "
        f"{machine['device_name']}, {machine['threads']} threads, {machine['blas']}, "
        f"{machine['kernels']} kernels",
        ["budget", "channels", "batch", "s/step", "samples/s", "GFLOP/s", "of peak", "MiB"],
        rows,
    )


if __name__ == "__main__":
    main()
