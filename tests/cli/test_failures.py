"""How commands end: one line and an exit code, whatever happened."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxts import protocol
from mlxts.cli import failures
from mlxts.errors import CheckpointError, RunError


def _raise(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (RunError("no run x"), 2, "error: no run x"),
        (CheckpointError("gone"), 2, "error: gone"),
        (FileNotFoundError(2, "No such file", "a.json"), 2, "error: a.json: No such file"),
        (
            OSError(28, "No space left on device", "a"),
            2,
            "error: a: No space left on device; free some disk space",
        ),
        (OSError(18, "Invalid link", "a", None, "b"), 2, "error: a to b: Invalid link"),
        (OSError("odd"), 2, "error: could not write: odd"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(75), 75, ""),
        (SystemExit(None), 0, ""),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
    ],
)
def test_what_can_happen_is_a_line_and_a_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failures.exit_code_of(_raise(error)) == code
    assert capsys.readouterr().err.rstrip("\n") == line


class _Panic(BaseException):
    """As Polars' are."""


@pytest.mark.parametrize("kind", [KeyError, RecursionError, _Panic, MemoryError])
@pytest.mark.parametrize("with_outputs", [True, False])
def test_what_should_not_happen_apologises_and_keeps_the_traceback(
    kind: type[BaseException],
    with_outputs: bool,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["mlxts", "hpo", "list", "--storage", "x://me:secret@host/d"])
    if with_outputs:
        (home / "outputs").mkdir()
    said = "x://me:sec@ret@host"
    assert failures.exit_code_of(_raise(kind(said))) == protocol.EXIT_UNEXPECTED == 70
    (line,) = capsys.readouterr().err.splitlines()
    found = re.search(r"the traceback is in (\S+), please report it", line)
    assert found
    kept = Path(found[1])
    assert kept.is_relative_to(home / "outputs" if with_outputs else home)
    text = kept.read_text()
    assert "Traceback (most recent call last)" in text
    assert kind.__name__ in line
    assert "mlxts hpo list --storage" in text
    assert not re.search("secret|sec@|ret@", text + line)


def _run(*arguments: str, redirect: str = "", **environment: str) -> tuple[int, str]:
    """(exit code, standard error) of the real command in a real shell."""
    command = f'"{sys.executable}" -m mlxts "$@" {redirect}'
    done = subprocess.run(
        ["bash", "-c", command, "bash", *arguments], capture_output=True, text=True,
        env={**os.environ, **environment}, timeout=100,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", ["data cell Aa", "data list --json"])  # a table, a line
def test_a_full_standard_output_is_one_line_and_no_success(words: str) -> None:
    code, said = _run(*words.split(), redirect="> /dev/full", PYTHONUNBUFFERED="")
    assert code == 2
    assert said.splitlines()[-1].startswith("error: ")
    assert "No space left on device; free some disk space" in said
    assert "Traceback" not in said
    assert "Exception ignored" not in said


def test_a_closed_standard_output_is_one_line_and_nothing_is_done(home: Path) -> None:
    code, said = _run("data", "sources", "--write", "--output", "x.md", redirect=">&-")
    assert (code, said.count("\n")) == (2, 1)
    assert "standard output is closed" in said
    assert not Path("x.md").exists()


@pytest.mark.parametrize("redirect", ["2>&-", "<&-", "<&- 2>&-", "| head -1"])
def test_other_closed_ends_are_no_error(redirect: str) -> None:
    code, said = _run("data", "controls", redirect=redirect)
    assert (code, said) == (0, "")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_an_encoding_without_a_sign_shows_a_question_mark(encoding: str) -> None:
    code, said = _run("data", "cell", "Aa", PYTHONIOENCODING=encoding)  # a dash where nothing is
    assert code == 0
    assert said.splitlines()[0].startswith("missing: ")


@pytest.mark.parametrize("threads", ["4294967297", "1025", "0", "-1", "abc", "9" * 5000])
def test_impossible_threads_are_one_line(threads: str) -> None:
    code, said = _run("data", "list", MLXTS_THREADS=threads)
    assert (code, said.count("\n")) == (2, 1)
    assert "MLXTS_THREADS" in said
    assert "1 to 1024" in said


def test_threads_that_another_library_is_given_do_not_crash_this_one() -> None:
    huge = {"OMP_NUM_THREADS": "4294967297", "MKL_NUM_THREADS": "4294967297"}
    code, said = _run("data", "list", MLXTS_THREADS="", **huge)
    assert (code, said) == (0, "")


@pytest.mark.parametrize(
    ("argument", "why"), [(b"\xff", "UTF-8"), (b"", "is empty"), (b"--symbol=", "is empty")]
)
def test_an_argument_that_names_nothing_is_one_line(argument: bytes, why: str) -> None:
    code, said = _run("data", "import", os.fsdecode(argument))
    assert (code, said.count("\n")) == (2, 1)
    assert why in said


def test_ctrl_c_is_130_and_no_word(home: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    program = f"from mlxts.cli import failures; import sys\ndef command():\n    {code}\n"
    program += "sys.exit(failures.exit_code_of(command))"
    done = subprocess.run(
        [sys.executable, "-c", f"import signal; signal.signal(2, signal.default_int_handler)\n"
         f"{program}"], capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "")
    assert signal.SIGINT == 2


def test_a_traceback_that_cannot_be_kept_is_no_second_error(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(home / "nowhere"))
    (home / "outputs").mkdir()
    (home / "outputs" / "tracebacks").write_text("a file where a folder should be")
    assert failures.exit_code_of(_raise(KeyError("x"))) == protocol.EXIT_UNEXPECTED
    assert "its traceback could not be saved" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["MLXTS_HOME", "MLXTS_KERNELS"])
def test_other_variables_that_cannot_be_are_one_line(name: str) -> None:
    code, said = _run("data", "list", **{name: __file__})
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"error: {name}: ")
