"""How fast a budget trains: samples a second, and the share of the matrix-product peak.

Every row is a process of its own, so that its memory is its own. Before each step the machine's
speed in a plain matrix product is measured, because on a shared machine it changes.
"""

import statistics
import time
from typing import Any

from benchmarks.harness import Benchmark, Picture, Row, fresh, main
from mlxts import transfer
from mlxts.platform import device  # before MLX, so that MLX finds the fast BLAS

# isort: split
import mlx.core as mx
import numpy as np

from mlxts.cli.output import note
from mlxts.config.model import ModelConfig
from mlxts.config.training import Precision, TrainingConfig
from mlxts.model import flops, parameter_budget
from mlxts.model.patchtst import PatchTST, Shape
from mlxts.training import memory_plan
from mlxts.training.sampler import Batches
from mlxts.training.step import Step, make_optimizer

ROWS = 4000
SECONDS = 8.0  # of steps a case; at least two steps
# budget, channels, features, samples a step
CASES = (
    ("2M", "mixing", 20, 64), ("2M", "mixing", 200, 64), ("2M", "mixing", 2000, 64),
    ("20M", "mixing", 20, 64), ("20M", "mixing", 200, 64), ("20M", "mixing", 2000, 64),
    ("200M", "mixing", 20, 16), ("200M", "mixing", 200, 16), ("200M", "mixing", 2000, 16),
    ("2M", "independent", 20, 32), ("2M", "independent", 200, 2), ("2M", "independent", 2000, 1),
    ("20M", "independent", 20, 8), ("20M", "independent", 200, 1),
    ("200M", "independent", 20, 1),
)  # fmt: skip


def step_of(name: str, channels: str, features: int, batch: int, precision: str) -> Row:
    """One row: a real step (gather, forward, backward, clipping, AdamW), best of several."""
    rng = np.random.default_rng(0)
    shape = parameter_budget.solve(
        name, features, ModelConfig.model_validate({"channels": channels})
    )
    chosen: dict[str, Any] = {} if precision == "float32" else {"precision": precision}
    training = TrainingConfig.model_validate({"batch_size": batch, **chosen})
    data = mx.array(rng.standard_normal((ROWS, features), dtype=np.float32))
    targets = (rng.random(ROWS - 100) < 0.2).astype(np.float32)
    model = PatchTST(shape)
    optimizer = make_optimizer(training)
    step = Step(model, optimizer, training, binary=True)
    batches = Batches(np.arange(100, ROWS), targets, batch, batch, seed=0)
    seconds: list[float] = []
    peaks: list[float] = []
    began = time.perf_counter()
    for index in range(100):
        peaks.append(device.matmul_gflops(repeats=1))
        drawn = batches.at(index)
        start = time.perf_counter()
        step(index, data, drawn.rows, drawn.targets, drawn.weights, drawn.keys)
        transfer.evaluate(model.state, optimizer.state)
        seconds.append(time.perf_counter() - start)
        if index == 0:
            began = time.perf_counter()  # the first step compiles
            mx.reset_peak_memory()
        elif index >= 2 and time.perf_counter() - began > SECONDS:
            break
    best, peak = min(seconds[1:]), statistics.median(peaks)
    gflops = flops.training_flops(shape, batch) / best / 1e9
    memory = device.memory()
    return {
        "budget": name,
        "channels": channels,
        "features": features,
        "precision": precision,
        "batch": batch,
        "seconds": best,
        "samples_per_second": batch / best,
        "tokens_per_second": batch * shape.sequences * shape.patches / best,
        "gflops": gflops,
        "peak_gflops": peak,
        "share": gflops / peak,
        "mlx_mib": memory["peak"] / 2**20,
        "process_mib": memory["process"] / 2**20,
    }


def needed_bytes(shape: Shape, batch: int, precision: Precision) -> int:
    """Bytes at the peak of a step, without the features."""
    passes = flops.resting_bytes(shape, precision)
    passes += flops.activation_bytes(shape, batch, precision=precision)
    return max(flops.update_bytes(shape), passes)


def measure(quick: bool) -> list[Row]:
    rows = []
    for name, channels, features, batch in CASES[:1] if quick else CASES:
        shape = parameter_budget.solve(
            name, features, ModelConfig.model_validate({"channels": channels})
        )
        # On a CPU bfloat16 is slower than float32 and not offered.
        for precision in ("float32",) if device.device() == "cpu" else ("float32", "bfloat16"):
            needed = needed_bytes(shape, batch, precision)
            if needed > memory_plan.room_now(4 * ROWS * features):
                # Running out of memory is a crash on some backends: never tried out.
                note(f"{name} {channels} {features} left out: needs {needed / 2**30:.1f} GiB")
                continue
            case = {"name": name, "channels": channels, "features": features, "batch": batch}
            rows.append(fresh(__file__, {**case, "precision": precision}))
    return rows


BENCHMARK = Benchmark(
    name="throughput",
    question="How fast does each budget train, as a share of the machine's peak?",
    measure=measure,
    columns={
        "budget": "budget",
        "channels": "channels",
        "features": "features",
        "precision": "precision",
        "batch": "batch",
        "seconds": "s/step|.3f",
        "samples_per_second": "samples/s|.1f",
        "tokens_per_second": "tokens/s|,.0f",
        "gflops": "GFLOP/s|,.0f",
        "share": "of peak|.0%",
        "mlx_mib": "MLX MiB|,.0f",
        "process_mib": "process MiB|,.0f",
    },
    picture=Picture("bars", ("budget", "channels", "features", "precision"), "share", "budget"),
    notes=(
        "Best step of each case. GFLOP/s count the matrix products of a step; the peak is a "
        "2,048³ float32 product, measured between the steps. A token is a patch of a sequence.",
    ),
    case=step_of,
)

if __name__ == "__main__":
    main(BENCHMARK)
