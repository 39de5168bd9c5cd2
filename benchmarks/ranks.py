"""One model on one machine: a process with all threads, or a rank for each of two cores.

The ranks of a row are started by hand (host file) or by `mlx.launch`, whose parent process polls
and takes part of a core for itself.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Benchmark, Picture, Row, Skip, fresh, main
from mlxts import transfer
from mlxts.platform import device  # before MLX, so that MLX finds the fast BLAS

# isort: split
import mlx.core as mx
import numpy as np

from mlxts.config.model import ModelConfig
from mlxts.config.training import TrainingConfig
from mlxts.model import parameter_budget
from mlxts.model.patchtst import PatchTST
from mlxts.training.distributed import ALONE, Ranks
from mlxts.training.sampler import Batches
from mlxts.training.step import Step, make_optimizer

ROWS, FEATURES, STEPS = 600, 20, 6
RANKED = "MLXTS_BENCHMARK_RANKED"  # set where a case is one of several ranks


def train(channels: str, size: str, batch: int) -> float:
    """Best seconds of a step over `batch` windows."""
    together = Ranks(mx.distributed.init(strict=True)) if os.environ.get(RANKED) else ALONE
    rng = np.random.default_rng(0)
    model_config = ModelConfig.model_validate({"channels": channels})
    training = TrainingConfig(batch_size=batch)
    model = PatchTST(parameter_budget.solve(size, FEATURES, model_config), seed=0)
    optimizer = make_optimizer(training)
    step = Step(model, optimizer, training, binary=True, ranks=together)
    data = mx.array(rng.standard_normal((ROWS, FEATURES), dtype=np.float32))
    targets = (rng.random(ROWS - 100) < 0.2).astype(np.float32)
    share = (together.rank, together.size)
    batches = Batches(np.arange(100, ROWS), targets, batch, batch, seed=0, share=share)
    seconds = []
    for index in range(STEPS):
        drawn = batches.at(index)
        began = time.perf_counter()
        step(index, data, drawn.rows, drawn.targets, drawn.weights, drawn.keys)
        transfer.evaluate(model.state, optimizer.state)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def by_hand(case: Row) -> float:
    """Two ranks of one thread each, from a host file."""
    with tempfile.TemporaryDirectory() as folder:
        hosts = Path(folder, "hosts.json")
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            ports = [s.getsockname()[1] for s in (one, two)]
        hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in ports]))
        started = [
            subprocess.Popen(
                [sys.executable, __file__, "--case", json.dumps(case)],
                env=_environment(MLX_HOSTFILE=str(hosts), MLX_RANK=str(rank)),
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]
        said = [process.communicate()[0] for process in started]
    return max(float(text.split()[-1]) for text in said)


def by_launcher(case: Row) -> float:
    """The same two ranks under `mlx.launch`."""
    launcher = Path(sys.executable).with_name("mlx.launch")
    done = subprocess.run(
        [launcher, "-n", "2", "--", sys.executable, __file__, "--case", json.dumps(case)],
        env=_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return max(float(line) for line in done.stdout.split())


def measure(quick: bool) -> list[Row]:
    if device.device() != "cpu" or (os.cpu_count() or 1) < 2:
        raise Skip("one process uses the whole device here")
    cases: list[Row] = [{"channels": "independent", "size": "2M", "batch": 16}]
    if not quick:
        cases.append({"channels": "independent", "size": "20M", "batch": 8})
    ways = {
        "one process, 2 threads": lambda case: fresh(__file__, case, {"MLXTS_THREADS": "2"}),
        "2 ranks by host file": by_hand,
    }
    if shutil.which("mlx.launch", path=str(Path(sys.executable).parent)):
        ways["2 ranks by mlx.launch"] = by_launcher
    rows: list[Row] = []
    for case in cases:
        taken = {way: start(case) for way, start in ways.items()}
        for way, seconds in taken.items():
            rows.append(
                {
                    "budget": case["size"],
                    "batch": case["batch"],
                    "way": way,
                    "seconds": seconds,
                    "samples_per_second": case["batch"] / seconds,
                    "ratio": next(iter(taken.values())) / seconds,
                }
            )
    return rows


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "MLXTS_THREADS": "1", RANKED: "1", **more}


BENCHMARK = Benchmark(
    name="ranks",
    question="Are two ranks on one machine faster than one process with two threads?",
    measure=measure,
    columns={
        "budget": "budget",
        "batch": "batch",
        "way": "setup",
        "seconds": "s/step|.3f",
        "samples_per_second": "samples/s|.1f",
        "ratio": "speed-up over one process|.2f",
    },
    picture=Picture("bars", ("budget", "way"), "ratio", "budget", level=1.0),
    notes=("20 features, independent channels, best of five steps after the first.",),
    case=train,
)

if __name__ == "__main__":
    main(BENCHMARK)
