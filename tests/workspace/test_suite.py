"""`make test`: one run at a time, and no lock that outlives who held it."""

import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlxts.workspace import suite

_HOLD = """
import sys, time
from pathlib import Path
from mlxts.workspace import suite
with suite.alone(Path(sys.argv[1])):
    print("mine", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def _holder(path: Path, seconds: float) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _HOLD, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        yield process


def test_a_second_run_waits_and_says_for_whom(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with _holder(tmp_path / "lock", 0.5) as process, suite.alone(tmp_path / "lock"):
        assert process.wait(timeout=10) == 0
    assert f"process {process.pid} since" in capfd.readouterr().err


def test_a_run_that_was_killed_leaves_no_lock(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with _holder(tmp_path / "lock", 60) as process:
        process.send_signal(signal.SIGKILL)
    began = time.monotonic()
    with suite.alone(tmp_path / "lock"):
        assert time.monotonic() - began < 5
    assert capfd.readouterr().err == ""


def test_a_process_that_the_holder_started_does_not_keep_the_lock(tmp_path: Path) -> None:
    with suite.alone(tmp_path / "lock"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with suite.alone(tmp_path / "lock"):
            assert child.poll() is None
    finally:
        child.kill()
        child.wait(timeout=10)
