"""A sweep whose workers are stopped, killed, mistaken in the time, or left without their database.

Two workers share a sweep of tiny models in PostgreSQL. While they work, one of them is stopped for
longer than the heartbeat timeout (as by a laptop's lid), clocks are set, the database restarts or
goes away for good. Afterwards every run must be done, none may have failed, and weights, optimizer
and predictions must be, to the byte, those of a sweep that nobody disturbed.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import kills, postgres
from benchmarks.harness import Benchmark, Row, Skip, main
from mlxts import files
from mlxts.cli.output import note

RUNS, QUICK_RUNS = 8, 3
DISTURBANCES, QUICK_DISTURBANCES = 4, 1  # of each kind
INTERVAL, TIMEOUT = 1, 3  # seconds; what is minutes outside
PATIENCE, SHORT = 120.0, 4.0  # seconds until a database that is away is given up
LONGEST = 900.0  # seconds that a sweep may take
STEP = 7200  # seconds by which a clock is set
BYTES = (
    "checkpoint/best/weights.safetensors", "checkpoint/last/weights.safetensors",
    "checkpoint/last/optimizer.safetensors", "predictions.parquet",
)  # fmt: skip
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
# libfaketime lets time.sleep fail where the steady clock is not faked; events wait by that clock.
_CODE = """
import threading, time
time.sleep = threading.Event().wait
from mlxts.search import database
database.PATIENCE = {patience}
from mlxts.cli import main
main()
"""


@dataclass
class Scene:
    """A sweep that is being worked on, and all that can be done to it."""

    home: Path
    server: postgres.Server
    rng: np.random.Generator
    apart: bool = False  # the workers take each other for machines of their own
    patience: float = PATIENCE
    environment: dict[str, str] = field(default_factory=dict)
    workers: list[subprocess.Popen[str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def start(self, number: int) -> None:
        """Start a worker, in the place of the one of that number."""
        command = [sys.executable, "-c", _CODE.format(patience=self.patience), "sweep", "run"]
        command += ["sweep.yaml", "--storage", self.server.url, "--workers-per-device", "2"]
        command += ["--heartbeat", str(INTERVAL), "--heartbeat-timeout", str(TIMEOUT), "--quiet"]
        environment = {**os.environ, "MLXTS_HOME": str(self.home), "MLXTS_THREADS": "1"}
        environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **self.environment}
        environment["MLXTS_LOCKS"] = str(self.home / "locks")  # whoever else trains here
        if self.apart:
            environment["XDG_CACHE_HOME"] = environment["XDG_STATE_HOME"] = str(
                _cache(self.home / f"cache{number}")
            )
        process = subprocess.Popen(
            command, cwd=self.home, env=environment, text=True,
            stdout=subprocess.DEVNULL, stderr=(self.home / f"said{number}").open("a"),
        )  # fmt: skip
        self.workers[number:] = [process, *self.workers[number + 1 :]]

    def finish(self) -> None:
        """Wait until all work is done."""
        deadline = time.monotonic() + LONGEST
        for process in self.workers:
            code = process.wait(max(1.0, deadline - time.monotonic()))
            assert code == 0, f"a worker ended with {code}: {self.words()}"

    def words(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.home.glob("said*")))

    def a_while(self) -> bool:
        """Let the workers get on; false when one has come to its end."""
        deadline = time.monotonic() + self.rng.uniform(1.0, 3.0)
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self.workers):
                return False
            time.sleep(0.05)
        return True

    def wait_for_work(self) -> None:
        """Until both have begun a run."""
        deadline = time.monotonic() + LONGEST
        runs = self.home / "outputs" / "runs"
        while len(list(runs.glob("*/checkpoint/last"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)


def stop_one(scene: Scene) -> None:
    """Longer than the others wait for a sign of life, and listen for one."""
    worker = scene.workers[int(scene.rng.integers(2))]
    worker.send_signal(signal.SIGSTOP)
    time.sleep(2 * TIMEOUT + 4)
    worker.send_signal(signal.SIGCONT)


def kill_one(scene: Scene) -> None:
    number = int(scene.rng.integers(2))
    scene.workers[number].kill()
    scene.workers[number].wait()
    scene.start(number)


def restart(scene: Scene) -> None:
    scene.server.stop()
    time.sleep(scene.rng.uniform(0.0, 3.0))
    scene.server.start()


def leave(scene: Scene) -> None:
    """The database is gone until every worker has given it up, each in one line."""
    scene.server.stop()
    for process in scene.workers:
        code = process.wait(LONGEST)
        assert code in (0, 2), f"a worker ended with {code}: {scene.words()}"
    scene.server.start()
    for number in range(2):
        scene.start(number)


def set_clock(scene: Scene) -> None:
    """Of whoever reads the file: two hours forward, then back, and so on."""
    clock = Path(scene.home, "clock")
    now = clock.read_text().strip()
    clock.write_text(f"+{STEP}s\n" if now == "+0s" else "+0s\n")
    time.sleep(2 * INTERVAL)


@dataclass(frozen=True)
class Case:
    what: str
    disturb: Callable[[Scene], None]
    apart: bool = False
    patience: float = PATIENCE
    clocks: str | None = None  # whose clock is set: server or workers


CASES = (
    Case("a worker is killed", kill_one),
    Case("a worker is stopped, the other one is on the same machine", stop_one),
    Case("a worker is stopped, the other one is on another machine", stop_one, apart=True),
    Case("the database's clock is set by two hours", set_clock, apart=True, clocks="server"),
    Case("the workers' clocks are set by two hours", set_clock, clocks="workers"),
    Case("the database restarts", restart),
    Case("the database is gone until all have ended", leave, patience=SHORT),
)


def measure(quick: bool) -> list[Row]:
    runs, times = (QUICK_RUNS, QUICK_DISTURBANCES) if quick else (RUNS, DISTURBANCES)
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder, "undisturbed")
        _prepare(first, runs)
        try:
            with postgres.server() as server:
                wanted = _undisturbed(first, server)
            return [_row(case, Path(folder), wanted, times) for case in CASES]
        except postgres.Missing as missing:
            raise Skip(str(missing)) from missing


def _row(case: Case, folder: Path, wanted: dict[str, str], times: int) -> Row:
    if case.clocks and not FAKETIME:
        return {"what": case.what, "note": "skipped: no libfaketime"}
    note(f"{case.what} ...")
    home = Path(tempfile.mkdtemp(dir=folder))
    for name in ("data", "sweep.yaml"):
        source = folder / "undisturbed" / name
        shutil.copytree(source, home / name) if source.is_dir() else shutil.copy(source, home)
    clock = home / "clock"
    clock.write_text("+0s\n")
    folder.chmod(0o755)  # the server, another user, reads its clock
    home.chmod(0o755)
    fake = {
        "LD_PRELOAD": str(FAKETIME[-1]) if FAKETIME else "",
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    began, done = time.monotonic(), 0
    with _scene(case, home, fake) as scene:
        for number in range(2):
            scene.start(number)
        scene.wait_for_work()
        while done < times and scene.a_while():
            case.disturb(scene)
            done += 1
        scene.finish()
        states = _states(scene)
    found = _digests(home)
    left = [path.name for path in (home / "outputs" / "runs").rglob(f".*{files.TEMPORARY}*")]
    row = {
        "what": case.what,
        "times": done,
        "runs": len(wanted),
        "done": states.count("done"),
        "failed": states.count("failed"),
        "same": found == wanted,
        "half": len(left),
        "tracebacks": scene.words().count("Traceback"),
        "seconds": time.monotonic() - began,
    }
    note(", ".join(f"{key} {value}" for key, value in row.items()))
    return row


@contextlib.contextmanager
def _scene(case: Case, home: Path, fake: dict[str, str]) -> Generator[Scene]:
    with postgres.server(fake if case.clocks == "server" else {}) as server:
        scene = Scene(home, server, np.random.default_rng(0), case.apart, case.patience)
        scene.environment = fake if case.clocks == "workers" else {}
        try:
            yield scene
        finally:
            for process in scene.workers:
                if process.poll() is None:
                    process.kill()
                process.wait()


def _prepare(home: Path, runs: int) -> None:
    home.mkdir()
    kills.prepare(home, 1)
    (home / "small.yaml").unlink()
    axes = "  seed: [" + ", ".join(map(str, range(runs))) + "]"
    base = {
        "mode": "exploratory", "budget": "0.02M", "data": {"source": "simulated"},
        "training": {
            "max_epochs": 12, "validations_per_epoch": 5, "batch_size": 128, "patience": 10**6,
        },
        "thermal": {"sensor": "off"}, "checkpoint": {"every_seconds": 0},
    }  # fmt: skip
    files.write_text(home / "sweep.yaml", f"base: {json.dumps(base)}\naxes:\n{axes}\n")


def _undisturbed(home: Path, server: postgres.Server) -> dict[str, str]:
    scene = Scene(home, server, np.random.default_rng(0))
    for number in range(2):
        scene.start(number)
    scene.finish()
    return _digests(home)


def _digests(home: Path) -> dict[str, str]:
    """Of everything in a run's folder that must not depend on what happened."""
    found: dict[str, str] = {}
    for run in sorted((home / "outputs" / "runs").iterdir()):
        digest = hashlib.sha256()
        for name in BYTES:
            path = run / name
            digest.update(path.read_bytes() if path.exists() else b"missing")
        summary = run / "summary.json"
        scores: Any = json.loads(summary.read_text())["scores"] if summary.exists() else None
        digest.update(json.dumps(scores, sort_keys=True).encode())
        found[run.name] = digest.hexdigest()
    return found


def _states(scene: Scene) -> list[str]:
    command = [sys.executable, "-m", "mlxts", "sweep", "status", "sweep.yaml", "--json"]
    environment = {**os.environ, "MLXTS_HOME": str(scene.home)}
    said = subprocess.check_output(
        [*command, "--storage", scene.server.url], cwd=scene.home, env=environment
    )
    return [run["state"] for run in json.loads(said)["runs"]]


def _cache(folder: Path) -> Path:
    """A cache folder of a machine's own, but for the kernels, which take long to compile."""
    kernels = files.cache_folder() / "kernels"
    (folder / "mlxts").mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (folder / "mlxts" / "kernels").symlink_to(kernels)
    return folder


BENCHMARK = Benchmark(
    name="outages",
    question="Does a stopped worker, a changed clock or a database outage cost a run?",
    measure=measure,
    columns={
        "what": "while two workers share a sweep",
        "times": "times",
        "runs": "runs",
        "done": "done",
        "failed": "failed",
        "same": "same bytes as uninterrupted",
        "half": "left half-written",
        "tracebacks": "tracebacks",
        "seconds": "seconds|.0f",
        "note": "",
    },
    notes=(
        f"Heartbeats every {INTERVAL} s, a timeout of {TIMEOUT} s; a stopped worker sleeps for "
        f"{2 * TIMEOUT + 4} s. Machines differ by their state folders; clocks are changed by "
        "libfaketime.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
