"""Ctrl-C while the command line is loaded ends it without a word; a library leaves it alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = "import sys\nfrom mlxts.cli import main\nsys.exit(main())\n"
PRESSED = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"


def _pressed_while_loading(folder: Path, *arguments: str) -> tuple[int, str]:
    """(exit code, standard error) of Python where one of the first imports brings a Ctrl-C."""
    (folder / "csv.py").write_text(PRESSED)
    paths = os.pathsep.join([str(folder), str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": paths},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # also under nohup
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize("way", ["python -m mlxts", "the console script"])
def test_ctrl_c_while_loading_is_130_and_no_word(tmp_path: Path, way: str) -> None:
    script = tmp_path / "bin" / "mlxts"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    start = ["-m", "mlxts"] if way.startswith("python") else [str(script)]
    assert _pressed_while_loading(tmp_path, *start, "runs") == (130, "")


def test_a_program_that_imports_the_package_keeps_its_own_way(tmp_path: Path) -> None:
    _, said = _pressed_while_loading(tmp_path, "-c", "import mlxts")
    assert said.endswith("KeyboardInterrupt\n")
