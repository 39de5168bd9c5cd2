"""A training run that is killed again and again, against one that nobody disturbed.

SIGKILL leaves a process no time for anything. It comes at seeded random moments: while a process
starts, before there is any checkpoint, between steps, and while a checkpoint is being written.
Afterwards weights, predictions and the record must be those of the undisturbed run, to the byte,
and nothing half-written may lie about.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.harness import Benchmark, Row, main
from mlxts import files
from mlxts.cli.output import note
from mlxts.config.loading import build_config
from mlxts.data import store
from mlxts.runs.folder import RunFolder
from mlxts.simulation.source import SimulatedSource
from mlxts.training import log

KILLS, QUICK_KILLS = 100, 3
STEPS_PER_KILL = 20  # of the run's length, so that it is not over before the kills are
STEPS_PER_EPOCH = 10
BYTES_PER_STEP = 200  # of the record, about
LONGEST_WAIT = 900.0  # seconds until a process has come to the moment when it is killed
MOMENTS = ("starting", "training", "writing a checkpoint", "concluding")
SHARES = (0.15, 0.5, 0.35, 0.0)
EARLY, TORN = "before any checkpoint", "leaving something half-written"
CONCLUDING = 20  # one kill in so many comes when training is done and the rest is written


def prepare(home: Path, kills: int) -> None:
    """A workspace with simulated bars and small.yaml: a tiny model that looks and saves often."""
    os.environ["MLXTS_HOME"] = str(home)
    source = SimulatedSource("sv", first=date(2018, 1, 2), last=date(2025, 3, 31))
    bars = source.fetch("SPY")
    store.register_raw(bars.frame, source="simulated", symbol="SPY", parameters=bars.parameters)
    epochs = max(6, -(-kills * STEPS_PER_KILL // STEPS_PER_EPOCH))
    settings = {
        "name": "kills",
        "mode": "exploratory",
        "budget": "0.02M",
        "data": {"source": "simulated"},
        "training": {
            "max_epochs": epochs, "validations_per_epoch": 5, "batch_size": 128,
            "patience": 10**6,
        },
        "thermal": {"sensor": "off"},
        "checkpoint": {"every_seconds": 0},
    }  # fmt: skip
    files.write_text(home / "small.yaml", build_config(settings).to_yaml())


def straight(home: Path) -> Path:
    """The folder of the run that nobody disturbs, put aside."""
    process = start(home)
    assert process.wait() == 0, "the undisturbed run failed"
    folder = _folder(home)
    assert folder is not None
    return folder.rename(home / "straight")


def disturbed(home: Path, kills: int, seed: int, tell: Callable[[str], None]) -> Counter[str]:
    """Kill a run `kills` times, let it end, and count the kills by moment.

    Args:
        tell: given a line after every tenth kill.
    """
    rng = np.random.default_rng(seed)
    counted: Counter[str] = Counter()
    for done in range(kills):
        moment = str(rng.choice(MOMENTS, p=SHARES))
        if done < 2:
            moment = MOMENTS[done]  # before there is any checkpoint, or soon after
        elif done >= kills - kills // CONCLUDING:
            moment = "concluding"
        process = start(home)
        alive = _wait_for(moment, home, process, rng)
        process.kill()
        if process.wait() != -signal.SIGKILL or not alive:
            break  # it came to its end first: the counts say so
        counted[moment] += 1
        counted[EARLY] += not _has_checkpoint(home)
        counted[TORN] += bool(_half_written(home))
        if (done + 1) % 10 == 0:
            tell(f"{done + 1} kills, step {_steps(home)}")
    process = start(home)
    assert process.wait() == 0, "the run did not end after its last kill"
    return counted


def compare(home: Path, undisturbed: Path) -> dict[str, bool]:
    """What has to be the same in both runs, and is or is not."""
    folder = _folder(home)
    assert folder is not None

    def same(name: str) -> bool:
        return (folder / name).read_bytes() == (undisturbed / name).read_bytes()

    def record(run: Path) -> list[tuple[int, str, float]]:
        return [(row["step"], row["split"], row["loss"]) for row in RunFolder(run).metrics()]

    def scores(run: Path) -> object:
        return json.loads((run / "summary.json").read_text(encoding="utf-8"))["scores"]

    return {
        "best weights": same("checkpoint/best/weights.safetensors"),
        "last weights": same("checkpoint/last/weights.safetensors"),
        "optimizer": same("checkpoint/last/optimizer.safetensors"),
        "predictions": same("predictions.parquet"),
        "metrics": record(folder) == record(undisturbed),
        "scores": scores(folder) == scores(undisturbed),
        "nothing half-written": not _half_written(home),
    }


def survive(kills: int, seed: int, tell: Callable[[str], None] = lambda line: None) -> list[Row]:
    """Rows of kills by moment, then of everything that was compared."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare(home, kills)
        undisturbed = straight(home)
        counted = disturbed(home, kills, seed, tell)
        compared = compare(home, undisturbed)
    rows: list[Row] = [{"what": f"while {moment}", "kills": counted[moment]} for moment in MOMENTS]
    rows.append({"what": f"in all, of {kills}", "kills": sum(counted[m] for m in MOMENTS)})
    rows += [{"what": f"of these {what}", "kills": counted[what]} for what in (EARLY, TORN)]
    return rows + [{"what": what, "same": equal} for what, equal in compared.items()]


def measure(quick: bool) -> list[Row]:
    return survive(QUICK_KILLS if quick else KILLS, seed=0, tell=note)


def start(home: Path) -> subprocess.Popen[bytes]:
    """Begin the run, or go on with it."""
    environment = {**os.environ, "MLXTS_HOME": str(home), "MLXTS_THREADS": "1"}
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mlxts", "train", "small.yaml", "--json", "--resume"]
    return subprocess.Popen(
        command, cwd=home, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _wait_for(
    moment: str, home: Path, process: subprocess.Popen[bytes], rng: np.random.Generator
) -> bool:
    """Wait for a random time within that moment; False if the process ended meanwhile."""
    began = time.time()
    if moment == "starting":
        latest = began + rng.uniform(0.05, 2.0)
        while time.time() < latest and not ((run := _folder(home)) and _trains_since(run, began)):
            time.sleep(0.002)
        return process.poll() is None
    metrics_before: int | None = None  # bytes, once the process has opened the record
    # Counted in what it does, not in seconds: a fast machine would come to its end meanwhile.
    further = rng.uniform(0.0, STEPS_PER_KILL / 2 * BYTES_PER_STEP)
    torn, wanted = set[str](), int(rng.integers(1, 6))  # checkpoints that were seen being written
    while process.poll() is None and time.time() - began < LONGEST_WAIT:
        time.sleep(0.0005)
        folder = _folder(home)
        if folder is None or not _trains_since(folder, began):
            continue
        if metrics_before is None:
            metrics_before = _size(folder / log.METRICS)
        torn |= {path.name for path in (folder / "checkpoint").glob(f".*{files.TEMPORARY}")}
        reached = {
            "training": _size(folder / log.METRICS) > metrics_before + further,
            "writing a checkpoint": len(torn) >= wanted,
            "concluding": moment == "concluding" and _stopped(folder),
        }
        if reached[moment]:
            late = moment == "concluding"
            time.sleep(rng.uniform(0.0, 0.7) if late else rng.exponential(0.003))
            return process.poll() is None
    return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _trains_since(folder: Path, moment: float) -> bool:
    """Whether the record was opened by a process that started after that moment."""
    events = folder / log.EVENTS
    return events.exists() and events.stat().st_mtime > moment


def _stopped(folder: Path) -> bool:
    """Whether the last thing in the record is the end of training."""
    events = RunFolder(folder).events()
    return bool(events) and events[-1]["event"] == "stop"


def _folder(home: Path) -> Path | None:
    return next((home / "outputs" / "runs").glob("*"), None)


def _has_checkpoint(home: Path) -> bool:
    folder = _folder(home)
    return folder is not None and any((folder / "checkpoint").glob("last*"))


def _half_written(home: Path) -> list[str]:
    """Temporary names in the run's folder; the lock is a file that stays."""
    folder = _folder(home)
    found = sorted(folder.rglob(".*")) if folder else []
    return [path.name for path in found if path.name != ".lock"]


def _steps(home: Path) -> int:
    folder = _folder(home)
    rows = RunFolder(folder).metrics() if folder else []
    return rows[-1]["step"] if rows else 0


BENCHMARK = Benchmark(
    name="kills",
    question="Does a run that is killed many times end in the same bytes?",
    measure=measure,
    columns={"what": "what", "kills": "kills", "same": "same as uninterrupted"},
    notes=(
        "SIGKILL at seeded random times during one run of a tiny model, resumed each time, "
        "compared with the same run uninterrupted.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
