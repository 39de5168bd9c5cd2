"""How the list of runs, a verdict and a report grow with the runs they are of."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter
from typing import Any

from benchmarks.harness import Benchmark, Picture, Row, main

COUNTS, QUICK_COUNTS = (200, 2000), (20, 40)
BUDGETS = {"0.02M": 20_000, "0.2M": 200_000, "2M": 2_000_000, "20M": 20_000_000}
ROWS = 3000  # dates that a run predicts
COMMANDS = {
    "runs, the first time": ("runs",),
    "runs": ("runs",),
    "scaling verdict": ("scaling", "verdict"),
    "report": ("report",),
}
AIMS = {"runs": 1.0}  # seconds of 2,000 runs
CONFIGURATION = """\
name: many
mode: exploratory
budget: 0.02M
task: threshold_1pct
horizon: 1
data: {source: simulated}
features: {tier: 20}
training: {max_epochs: 1}
thermal: {sensor: 'off'}
"""


def measure(quick: bool) -> list[Row]:
    """Copies of one small run, which differ in size, seed and their network's logits."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(MLXTS_HOME=scratch, MLXTS_LOCKS=f"{scratch}/locks", OMP_NUM_THREADS="1")
        run = _train(Path(scratch))
        rows = []
        for count in QUICK_COUNTS if quick else COUNTS:
            home = Path(scratch, str(count))
            _copy(run, home / "outputs" / "runs", count)
            rows += [_command(name, home, count) for name in COMMANDS]
    return rows


def _train(home: Path) -> Path:
    from mlxts.data import store
    from mlxts.simulation.source import SimulatedSource

    source = SimulatedSource("sv", first=date(1993, 1, 29), last=date(2024, 12, 31))
    bars = source.fetch("SPY")
    store.register_raw(bars.frame, source="simulated", symbol="SPY", parameters=bars.parameters)
    file = home / "many.yaml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "mlxts", "train", str(file)],
        cwd=home,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (folder,) = (home / "outputs" / "runs").glob("*/summary.json")
    return folder.parent


def _copy(run: Path, runs: Path, count: int) -> None:
    import numpy as np
    import polars as pl

    from mlxts.config.loading import build_config
    from mlxts.runs import layout, predictions
    from mlxts.runs.predictions import NETWORK

    record, summary = (json.loads((run / n).read_text()) for n in (layout.METADATA, layout.SUMMARY))
    table = predictions.read(run / layout.PREDICTIONS)
    table = table.filter(pl.col("date").is_in(table["date"].unique().sort()[-ROWS:].implode()))
    rng = np.random.default_rng(0)
    for number in range(count):
        budget = list(BUDGETS)[number % len(BUDGETS)]
        seed = number // len(BUDGETS)
        own: dict[str, Any] = {"run_id": f"{budget}-s{seed}-copy", "n_total": BUDGETS[budget]}
        config = build_config(record["config"] | {"budget": budget, "seed": seed})
        folder = runs / own["run_id"]
        folder.mkdir(parents=True)
        of_run = {"config": config.model_dump(mode="json"), "config_hash": config.hash}
        for name, values in ((layout.METADATA, record | of_run), (layout.SUMMARY, summary)):
            (folder / name).write_text(json.dumps(values | own), encoding="utf-8")
        for name in (layout.REFERENCES, layout.METRICS):
            (folder / name).write_bytes((run / name).read_bytes())
        noise = pl.Series("noise", rng.normal(0.0, 0.1, table.height))
        moved = pl.when(model=NETWORK).then(pl.col("logit") + noise).otherwise("logit")
        predictions.write(folder / layout.PREDICTIONS, table.with_columns(logit=moved))


def _command(name: str, home: Path, count: int) -> Row:
    """Seconds and memory of a command over all runs of a workspace, in a process of its own."""
    before = getrusage(RUSAGE_CHILDREN)
    begin = perf_counter()
    command = [sys.executable, "-c", _WITH_MEMORY, *COMMANDS[name]]
    own = os.environ | {"MLXTS_HOME": str(home)}
    done = subprocess.run(command, cwd=home, env=own, capture_output=True, text=True, check=True)
    seconds, after = perf_counter() - begin, getrusage(RUSAGE_CHILDREN)
    aim = AIMS.get(name)
    return {
        "command": name,
        "runs": count,
        "seconds": seconds,
        "processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "memory": int(done.stderr.splitlines()[-1]) / 2**20,
        "aim": aim,
        "holds": None if aim is None else seconds <= aim,
    }


# A command, and the most memory that it took at once, in bytes.
_WITH_MEMORY = """
import sys
from resource import RUSAGE_SELF, getrusage
from mlxts.cli import main
sys.argv[0] = "mlxts"
try:
    main()
finally:
    unit = 1 if sys.platform == "darwin" else 1024
    print(getrusage(RUSAGE_SELF).ru_maxrss * unit, file=sys.stderr)
"""

BENCHMARK = Benchmark(
    name="many_runs",
    question="How do the list of runs, a verdict and a report grow with the runs?",
    measure=measure,
    columns={
        "command": "command",
        "runs": "runs",
        "seconds": "seconds|.2f",
        "processor": "of the processor|.2f",
        "memory": "peak, MiB|.0f",
        "aim": "aim|.1f",
        "holds": "holds",
    },
    picture=Picture("lines", ("runs",), "processor", by="command", log=True),
    notes=(
        f"Copies of one run of 0.02M with {ROWS:,} predicted dates and eight models, four sizes; "
        "their seeds make up the number. The first list of runs reads every folder; later ones "
        "read what has changed since.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
