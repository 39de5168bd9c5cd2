"""`make test`: one run at a time, and no lock that outlives who held it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlxts.workspace import run_tests

_HOLD = """
import sys
from pathlib import Path
from mlxts.workspace import run_tests as suite
with suite.alone(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def _holder(path: Path) -> Generator[subprocess.Popen[str]]:
    """A process that holds the lock until it reads a line, or is killed."""
    command = [sys.executable, "-c", _HOLD, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        yield process


def test_a_second_run_waits_and_says_for_whom(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with _holder(tmp_path / "lock") as process:
        said: list[str] = []

        def let_go() -> None:
            """Release the lock when the second run has said that it waits."""
            while "waiting for it" not in (text := "".join(said)):
                said.append(capfd.readouterr().err)
                time.sleep(0.01)
            assert process.stdin is not None
            process.stdin.write(f"{len(text)}\n")
            process.stdin.flush()

        releasing = threading.Thread(target=let_go)
        releasing.start()
        with run_tests.alone(tmp_path / "lock"):
            assert process.wait(timeout=60) == 0
        releasing.join()
    assert f"process {process.pid} since" in "".join(said)


def test_a_run_that_was_killed_leaves_no_lock(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with _holder(tmp_path / "lock") as process:
        process.send_signal(signal.SIGKILL)
    with run_tests.alone(tmp_path / "lock"):  # waits for ever if it is held: the time limit says so
        pass
    assert capfd.readouterr().err == ""


def test_a_process_that_the_holder_started_does_not_keep_the_lock(tmp_path: Path) -> None:
    with run_tests.alone(tmp_path / "lock"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with run_tests.alone(tmp_path / "lock"):
            assert child.poll() is None
    finally:
        child.kill()
        child.wait(timeout=10)


def test_what_python_compiles_is_kept_even_where_the_environment_keeps_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "module.py").write_text("")
    code = (
        "import subprocess, sys; from mlxts.workspace import run_tests; run_tests.keep_compiled()\n"
        "subprocess.run([sys.executable, '-c', 'import module'], check=True)"
    )
    outside = {k: v for k, v in os.environ.items() if k != "PYTHONPYCACHEPREFIX"}
    outside |= {
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": f"{Path.cwd()}{os.pathsep}{tmp_path}"
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True, env=outside)
    assert list((tmp_path / "__pycache__").glob("module.*.pyc"))
