"""One model trained by several processes, started by hand on the loopback interface."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxts import protocol
from mlxts.errors import ConfigError, RunError
from mlxts.training import log, ranks
from mlxts.training.batches import Batches
from mlxts.training.events import StopEvent
from mlxts.training.ranks import ALONE, StallWatch

SYMBOL = "WALK"
ARGUMENTS = [
    "data.source=simulated", f"data.symbols=[{SYMBOL}]", f"data.score_on={SYMBOL}",
    "training.batch_size=32", "training.max_epochs=1", "training.validations_per_epoch=2",
    "data.train_fraction=0.25", "thermal.sensor=off", "checkpoint.every_seconds=0",
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
    done = subprocess.run(
        [sys.executable, "-m", "mlxts", *arguments],
        env=environment(home), capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def training(*more: str) -> list[str]:
    sets = [part for value in (*ARGUMENTS, *more) for part in ("--set", value)]
    return ["train", "tiny.yaml", "--json", *sets]


def start(home: Path, arguments: list[str], count: int = 2) -> list[subprocess.Popen[str]]:
    """`count` ranks of one run, each a process of its own."""
    hosts = home / "hosts.json"
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        hosts.write_text(json.dumps([[f"127.0.0.1:{s.getsockname()[1]}"] for s in (one, two)]))
    return [rank_process(home, arguments, rank) for rank in range(count)]


def rank_process(home: Path, arguments: list[str], rank: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "mlxts", *arguments, "--distributed"],
        env=environment(home, MLX_HOSTFILE=str(home / "hosts.json"), MLX_RANK=str(rank)),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    STARTED.append(process)
    return process


def finish(processes: list[subprocess.Popen[str]], code: int = 0) -> list[str]:
    ended = [process.communicate(timeout=200) for process in processes]
    assert [p.returncode for p in processes] == [code] * len(processes), ended
    return [out for out, _ in ended]


STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture
def alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of all runs here; whatever a failed test left running is killed."""
    monkeypatch.chdir(home)
    yield home
    while STARTED:
        STARTED.pop().kill()


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


def test_a_signal_to_one_rank_stops_both_and_they_go_on_to_the_same_bytes(alone: Path) -> None:
    arguments = training("training.micro_batch=16", "seed=3")
    whole = json.loads(finish(start(alone, arguments))[0])
    folder = alone / "outputs" / "runs" / whole["run_id"]
    weights = (folder / "checkpoint" / "best" / "weights.safetensors").read_bytes()
    folder.rename(folder.with_name("kept"))

    processes = start(alone, arguments)
    deadline = time.monotonic() + 120
    while len(log.read(folder / log.METRICS)) < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
    processes[1].send_signal(signal.SIGTERM)
    stopped = finish(processes, protocol.EXIT_INTERRUPTED)
    assert json.loads(stopped[0])["status"] == "interrupted"

    resumed = json.loads(finish(start(alone, [*arguments, "--resume"]))[0])
    assert resumed["run_id"] == whole["run_id"]
    assert (folder / "checkpoint" / "best" / "weights.safetensors").read_bytes() == weights
    assert losses(alone, resumed["run_id"]) == losses(alone, "kept")


def test_a_rank_that_waits_in_vain_ends_with_a_reason(alone: Path) -> None:
    arguments = [*training("training.micro_batch=16", "seed=4"), "--stall-seconds", "3"]
    processes = start(alone, arguments)
    deadline = time.monotonic() + 120
    while not list(alone.glob("outputs/runs/*s4*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    processes[1].send_signal(signal.SIGSTOP)
    try:
        _, said = processes[0].communicate(timeout=60)
    finally:
        processes[1].kill()
        processes[1].communicate()
    assert processes[0].returncode == protocol.EXIT_STALLED
    assert "another rank stopped" in said


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
        ranks.join()


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
    assert ALONE.leads
    assert ALONE.highest(3) == 3
    assert ALONE.record_from_leader({"step": 2}) == {"step": 2}
    ALONE.same("anything", "text")


def test_the_watch_ends_a_process_only_without_progress() -> None:
    said: list[str] = []
    with StallWatch(0.4, said.append) as watch:
        for _ in range(8):
            time.sleep(0.1)
            watch.beat()
        assert not said
        time.sleep(1.0)
    assert len(said) == 1
    assert "0 s" in said[0]


def test_a_gate_alone_says_what_it_said() -> None:
    stop = StopEvent(3, "pruned", "worse than the others")
    with StallWatch(60) as watch:
        assert ranks.agreed(lambda step: stop, ALONE, watch)(3) is stop
        assert ranks.agreed(lambda step: None, ALONE, watch)(3) is None
