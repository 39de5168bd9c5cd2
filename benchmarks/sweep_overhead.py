"""What a sweep costs besides training: start, data, references, scores; runs an hour by workers."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.harness import Benchmark, Picture, Row, main

RUNS, QUICK_RUNS = 4, 1  # a worker
AIM = 0.10
SWEEP = """\
name: overhead
base:
  mode: exploratory
  budget: 0.2M
  task: threshold_1pct
  timescale: daily
  horizon: 1
  data: {source: simulated, walk_forward_window: 1}
  features: {tier: 20}
  model: {residual_of: linear}
  thermal: {sensor: 'off'}
"""


def measure(quick: bool) -> list[Row]:
    """One worker, then two beside each other, each with a workspace of its own."""
    runs = QUICK_RUNS if quick else RUNS
    return [_sweep(workers, runs * workers) for workers in (1, 2)]


def _sweep(workers: int, runs: int) -> Row:
    from mlxts.data import store
    from mlxts.simulation.source import SimulatedSource

    with tempfile.TemporaryDirectory() as home:
        os.environ["MLXTS_HOME"] = home
        source = SimulatedSource("sv", first=date(1993, 1, 29), last=date(2024, 12, 31))
        bars = source.fetch("SPY")
        store.register_raw(bars.frame, source="simulated", symbol="SPY", parameters=bars.parameters)
        file = Path(home, "overhead.yaml")
        file.write_text(f"{SWEEP}axes:\n  seed: {list(range(runs))}\n", encoding="utf-8")
        command = [sys.executable, "-m", "mlxts", "sweep", "run", str(file)]
        command += ["--workers-per-device", str(workers)]
        alone = {**os.environ, "MLXTS_THREADS": "1", "OMP_NUM_THREADS": "1"}
        begin = perf_counter()
        processes = [
            subprocess.Popen(command, cwd=home, env=alone, stdout=subprocess.DEVNULL)
            for _ in range(workers)
        ]
        if any(process.wait() for process in processes):
            raise RuntimeError("a worker failed; run the sweep by hand to see why")
        wall = perf_counter() - begin
        done = [_training(folder) for folder in Path(home, "outputs", "runs").glob("0.2M-*")]
    training, steps = (sum(seconds) for seconds in zip(*done, strict=True))
    outside = 1.0 - training / (workers * wall)
    return {
        "workers": workers,
        "runs": len(done),
        "seconds": wall,
        "steps": steps / workers,
        "training": training / workers,
        "outside": outside,
        "per_hour": 3600.0 * len(done) / wall,
        "aim": AIM,
        "holds": outside <= AIM,
    }


def _training(folder: Path) -> tuple[float, float]:
    """Seconds from the first step of a run to its last validation, and those within steps."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records: list[dict[str, Any]] = [json.loads(line) for line in lines]
    steps = [record["seconds"] for record in records if record["split"] == "train"]
    return records[-1]["time"] - (records[0]["time"] - steps[0]), sum(steps)


BENCHMARK = Benchmark(
    name="sweep_overhead",
    question="What does a sweep cost besides training?",
    measure=measure,
    columns={
        "workers": "workers",
        "runs": "runs",
        "seconds": "all, s|.1f",
        "training": "training, s a worker|.1f",
        "steps": "of it within steps, s|.1f",
        "outside": "share outside training|.3f",
        "per_hour": "runs an hour|.0f",
        "aim": "aim|.2f",
        "holds": "holds",
    },
    picture=Picture("bars", ("workers",), "outside", level=AIM),
    notes=(
        "0.2M on 32 years of one simulated asset, 20 features, residual of *linear*; one thread a",
        "worker; a journal file; every process starts cold. Training is from the first step to the",
        "last validation; outside it are the start, data, references, predictions and scores. A",
        "worker that waits for the other's last run counts as outside.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
