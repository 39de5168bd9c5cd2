"""One model trained by several processes, started by hand on the loopback interface."""

import json
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout
from hypothesis import given
from hypothesis import strategies as st

from mlxts import protocol
from mlxts.errors import ConfigError, RunError
from mlxts.training import distributed, log
from mlxts.training.distributed import ALONE, StallWatch
from mlxts.training.events import StopEvent
from mlxts.training.sampler import Batches
from tests import processes
from tests.processes import Command

SYMBOL = "WALK"
ARGUMENTS = [
    "data.source=simulated", f"data.symbols=[{SYMBOL}]", f"data.score_on={SYMBOL}",
    "training.batch_size=32", "training.max_epochs=1", "training.validations_per_epoch=2",
    "data.train_fraction=0.25", "thermal.sensor=off", "checkpoint.every_seconds=0",
    "model.residual_of=linear", "model.asset_embedding=true", "model.last_bar_to_head=true",
]  # fmt: skip
CONFIG = """
mode: exploratory
budget: 0.02M
task: threshold_1pct
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny.yaml").write_text(CONFIG)
    run(folder, ["data", "simulate", "sv", "--symbol", SYMBOL])
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "MLXTS_HOME": str(home), "MLXTS_THREADS": "1", **more}


def run(home: Path, arguments: list[str]) -> str:
    done = processes.run(arguments, env=environment(home), cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def training(*more: str) -> list[str]:
    sets = [part for value in (*ARGUMENTS, *more) for part in ("--set", value)]
    return ["train", "tiny.yaml", "--json", *sets]


PORTS: list[tuple[int, FileLock]] = []


def ports(count: int) -> list[int]:
    """Ports for the ranks: below those that systems hand out by themselves, and locked, so that no
    other process of these tests takes one before a rank listens on it.
    """
    for port in range(21_000, 29_000):
        if len(PORTS) >= count:
            break
        lock = FileLock(Path(tempfile.gettempdir()) / f"mlxts-test-port-{port}.lock")
        try:
            lock.acquire(timeout=0)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except (Timeout, OSError):
            continue
        PORTS.append((port, lock))
    return [port for port, _ in PORTS[:count]]


def start(home: Path, arguments: list[str], count: int = 2, second: str = "") -> list[Command]:
    """`count` ranks of one run, each a process of its own; rank 1 runs the code `second` first."""
    hosts = [[f"127.0.0.1:{port}"] for port in ports(2)]
    (home / "hosts.json").write_text(json.dumps(hosts))
    codes = ["", second]
    return [rank_process(home, arguments, rank, codes[rank]) for rank in range(count)]


def rank_process(home: Path, arguments: list[str], rank: int, code: str = "") -> Command:
    process = processes.start(
        [*arguments, "--distributed"],
        env=environment(home, MLX_HOSTFILE=str(home / "hosts.json"), MLX_RANK=str(rank)),
        cwd=home,
        before=code,
    )
    STARTED.append(process)
    return process


def until(holds: Callable[[], object], processes: Sequence[Command] = ()) -> None:
    """Wait until something holds, while all these processes live."""
    deadline = time.monotonic() + 150
    while not holds():
        ended = [process for process in processes if process.poll() is not None]
        assert not ended, [process.communicate() for process in ended]
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def finish(processes: list[Command], code: int = 0) -> list[str]:
    ended = [process.communicate(timeout=200) for process in processes]
    assert [p.returncode for p in processes] == [code] * len(processes), ended
    return [out for out, _ in ended]


STARTED: list[Command] = []


@pytest.fixture
def alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of all runs here; whatever a failed test left running is killed."""
    monkeypatch.chdir(home)
    yield home
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.communicate()


def losses(home: Path, run_id: str) -> dict[str, list[float]]:
    rows = log.read(home / "outputs" / "runs" / run_id / log.METRICS)
    return {
        split: [row["loss"] for row in rows if row["split"] == split]
        for split in ("train", "validation")
    }


def test_two_ranks_give_the_losses_of_one_process_with_twice_the_micro_batch(alone: Path) -> None:
    together = json.loads(finish(start(alone, training("training.micro_batch=16")))[0])
    single = json.loads(run(alone, training("training.micro_batch=32")))
    assert together["run_id"] != single["run_id"]
    ours, theirs = (losses(alone, record["run_id"]) for record in (together, single))
    assert len(theirs["train"]) >= 50
    for split in ("train", "validation"):
        np.testing.assert_allclose(ours[split], theirs[split], rtol=1e-4)


TERMINATED_AT_ITS_SECOND_VALIDATION = """
import os, signal
from mlxts.training import loop
real, validations = loop.mean_loss, []
def validate(*arguments, **options):
    validations.append(len(validations))
    if validations[-1] == 1:  # that of 0 comes before the first step
        os.kill(os.getpid(), signal.SIGTERM)
    return real(*arguments, **options)
loop.mean_loss = validate
"""


def test_a_signal_to_one_rank_stops_both_and_they_go_on_to_the_same_bytes(alone: Path) -> None:
    arguments = training(
        "training.micro_batch=16", "training.ema_decay=0.9", "seed=3", "data.train_fraction=0.15"
    )
    whole = json.loads(finish(start(alone, arguments))[0])
    folder = alone / "outputs" / "runs" / whole["run_id"]
    weights = (folder / "checkpoint" / "best" / "weights.safetensors").read_bytes()
    folder.rename(folder.with_name("kept"))

    processes = start(alone, arguments, second=TERMINATED_AT_ITS_SECOND_VALIDATION)
    stopped = finish(processes, protocol.EXIT_INTERRUPTED)
    assert json.loads(stopped[0])["status"] == "interrupted"
    assert 10 < len(losses(alone, whole["run_id"])["train"]) < len(losses(alone, "kept")["train"])

    resumed = json.loads(finish(start(alone, [*arguments, "--resume"]))[0])
    assert resumed["run_id"] == whole["run_id"]
    assert (folder / "checkpoint" / "best" / "weights.safetensors").read_bytes() == weights
    assert losses(alone, resumed["run_id"]) == losses(alone, "kept")


def test_a_rank_that_waits_in_vain_ends_with_a_reason(alone: Path) -> None:
    arguments = [*training("training.micro_batch=16", "seed=4", "training.max_epochs=40")]
    arguments += ["--stall-seconds", "5"]
    processes = start(alone, arguments)
    until(
        lambda: any(log.read(m) for m in alone.glob("outputs/runs/*s4*/metrics.jsonl")), processes
    )
    processes[1].send_signal(signal.SIGSTOP)
    try:
        _, said = processes[0].communicate(timeout=150)
    finally:
        processes[1].kill()
        processes[1].communicate()
    assert processes[0].returncode == protocol.EXIT_STALLED
    assert "another rank stopped" in said


GONE = """
import os
from mlxts.training import distributed as ranks
real = ranks.join
ranks.join = lambda: (real(), os.kill(os.getpid(), __import__("signal").SIGSTOP))
"""


def test_a_rank_that_is_lost_before_training_is_not_waited_for_either(alone: Path) -> None:
    arguments = [*training("training.micro_batch=16", "seed=7"), "--stall-seconds", "2"]
    processes = start(alone, arguments, second=GONE)
    _, said = processes[0].communicate(timeout=150)
    assert processes[0].returncode == protocol.EXIT_STALLED
    assert "another rank stopped" in said


# What another chip may find: losses that differ a little, here so that nothing ever gets better.
OTHER_CHIP = """
from mlxts.training import loop
real, seen = loop.mean_loss, []
def other(*arguments, **options):
    seen.append(1)
    return real(*arguments, **options) + 0.1 * len(seen)
loop.mean_loss = other
"""


def test_unlike_machines_stop_at_the_same_step(alone: Path) -> None:
    arguments = training(
        "training.micro_batch=16", "seed=8", "training.patience=1", "model.residual_of=null"
    )
    arguments += ["--set", "training.validations_per_epoch=6", "--stall-seconds", "60"]
    processes = start(alone, arguments, second=OTHER_CHIP)
    said = json.loads(finish(processes)[0])
    assert said["status"] in ("finished", "early_stop")
    assert len(losses(alone, said["run_id"])["validation"]) > 2


def test_ranks_of_different_runs_refuse_to_train_together(alone: Path) -> None:
    processes = start(alone, training("training.micro_batch=16", "seed=5"), count=1)
    processes.append(rank_process(alone, training("seed=6"), rank=1))
    ended = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [2, 2]
    assert all("the ranks differ in the run" in said for _, said in ended)


def test_a_process_on_its_own_is_told_to_start_the_others(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLX_HOSTFILE", "MLX_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RunError, match=r"mlx\.launch"):
        distributed.join()


@given(
    size=st.integers(1, 4),
    parts=st.integers(1, 3),
    micro=st.integers(1, 4),
    samples=st.integers(1, 60),
    step=st.integers(0, 20),
)
def test_the_parts_of_all_ranks_are_the_batch_of_one(
    size: int, parts: int, micro: int, samples: int, step: int
) -> None:
    batch_size = size * parts * micro
    rows, targets = np.arange(samples), np.linspace(0, 1, samples)
    whole = Batches(rows, targets, batch_size, batch_size, seed=1).at(step)
    shared = [
        Batches(rows, targets, batch_size, micro, seed=1, share=(rank, size)).at(step)
        for rank in range(size)
    ]
    for name in ("rows", "targets", "keys"):
        pieces = [np.asarray(getattr(batch, name)) for batch in shared]
        expected = np.asarray(getattr(whole, name))
        np.testing.assert_array_equal(np.concatenate(pieces).reshape(expected.shape), expected)
    weights = np.concatenate([np.asarray(batch.weights) for batch in shared]).ravel()
    np.testing.assert_allclose(weights / size, np.asarray(whole.weights).ravel(), rtol=1e-6)


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be cut into 3 ranks"):
        Batches(np.arange(9), np.zeros(9), 32, 16, seed=0, share=(0, 3))


def test_a_single_process_agrees_with_itself() -> None:
    assert ALONE.is_rank_zero
    assert ALONE.max(3) == 3
    assert ALONE.broadcast({"step": 2}) == {"step": 2}
    ALONE.assert_same("anything", "text")


class _Clock:
    """A clock that stands still until it is set, and knows how often it was read."""

    def __init__(self) -> None:
        self.now, self.reads = 0.0, 0

    def __call__(self) -> float:
        self.reads += 1
        return self.now

    def wait_for_a_look(self) -> None:
        seen = self.reads
        until(lambda: self.reads > seen + 1)


def test_the_watch_ends_a_process_only_without_progress() -> None:
    clock, said, gave_up = _Clock(), [], threading.Event()

    def give_up(message: str) -> None:
        said.append(message)
        gave_up.set()

    with StallWatch(0.4, give_up, clock) as watch:
        for _ in range(4):
            clock.now += 0.39
            clock.wait_for_a_look()
            watch.beat()
        assert not said
        clock.now += 0.41
        assert gave_up.wait(60)
    assert len(said) == 1
    assert "0 s" in said[0]


def test_a_gate_alone_says_what_it_said() -> None:
    stop = StopEvent(3, "pruned", "worse than the others")
    with StallWatch(60) as watch:
        assert distributed.agreed_gate(lambda step: stop, ALONE, watch)(3) is stop
        assert distributed.agreed_gate(lambda step: None, ALONE, watch)(3) is None
