"""`mlxts` commands in processes of their own, at the price of a fork.

To load the package and the libraries beneath it takes seconds of processor time, more than most
tests want of a command. So one process loads everything once (multiprocessing's fork server), and
each command is a fork of it, with its own environment, working folder, streams and signals. What
is loaded is not used before the fork, so no thread of a library is lost on it.

Where it matters how a process *begins* (the interpreter's streams, variables that libraries read,
large pages), tests start `python -m mlxts` itself. So does macOS, where Metal survives no fork.
"""

import contextlib
import functools
import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

from benchmarks.bad.server import LOADED

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.draws", *LOADED, "tests.search.test_study"])
_BEGIN = "from mlxts.cli import main; main()"


def fork(function: Callable[..., object], *arguments: Any) -> BaseProcess:
    """A process that calls an importable function; `join` it."""
    _require_server()
    process = _FORKS.Process(target=_call, args=(function, *arguments))
    process.start()
    return process


def keep_in_memory() -> None:
    """Wait for no disk: no test pulls the plug. tests/test_files.py sees what must be flushed."""
    os.fsync = lambda descriptor: None  # ty: ignore[invalid-assignment]


def _call(function: Callable[..., object], *arguments: Any) -> None:
    gc.freeze()  # no collection of garbage goes through what was loaded before the fork
    keep_in_memory()
    function(*arguments)


@functools.cache
def _require_server() -> None:
    with contextlib.chdir(Path(__file__).parents[1]):  # where the modules to load are found
        forkserver.ensure_running()


class _Forked:
    """A running command, with those methods of `subprocess.Popen` that tests use."""

    def __init__(
        self, arguments: list[str], environment: dict[str, str], folder: Path, before: str,
        terminal: int | None,
    ) -> None:  # fmt: skip
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        self.stdout: IO[str] = os.fdopen(out, encoding="utf-8")
        self.stderr: IO[str] = os.fdopen(err, encoding="utf-8")
        ends = (None, out_end, err_end) if terminal is None else (terminal,) * 3
        self._process = fork(
            _become, arguments, {**environment, "GLIBC_TUNABLES": ""}, str(folder), before,
            _Streams(ends),
        )  # fmt: skip
        os.close(out_end)
        os.close(err_end)
        self.args = ["mlxts", *arguments]
        self.pid: int = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """(standard output, standard error), read to their ends; then the process has ended."""
        end = time.monotonic() + (timeout or 600.0)
        said = {self.stdout: "", self.stderr: ""}

        def read(stream: IO[str]) -> None:
            said[stream] = stream.read()

        readers = [
            threading.Thread(target=read, args=(s,), daemon=True) for s in said if not s.closed
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(max(end - time.monotonic(), 0.0))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        self.wait(max(end - time.monotonic(), 1.0))
        for stream in said:
            stream.close()
        return said[self.stdout], said[self.stderr]

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


Command = subprocess.Popen[str] | _Forked


def start(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    before: str = "",
    terminal: int | None = None,
) -> Command:
    """Start `mlxts ARGUMENTS`.

    Args:
        env: the whole environment; default: that of this process.
        cwd: the working folder; default: that of this process.
        before: Python that the process runs first.
        terminal: a file descriptor that all three streams are, in a session of its own; default:
            nothing to read, and pipes to read from.
    """
    environment, folder = dict(os.environ if env is None else env), cwd or Path.cwd()
    if sys.platform != "darwin":
        return _Forked(list(arguments), environment, folder, before, terminal)
    return subprocess.Popen(
        [sys.executable, "-c", f"{before}\n{_BEGIN}", *arguments],
        stdin=subprocess.DEVNULL if terminal is None else terminal,
        stdout=subprocess.PIPE if terminal is None else terminal,
        stderr=subprocess.PIPE if terminal is None else terminal,
        env=environment, cwd=folder, text=True, start_new_session=terminal is not None,
    )  # fmt: skip


def run(
    arguments: Sequence[str], *, timeout: float = 240.0, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run `mlxts ARGUMENTS` to its end; options as of `start`."""
    command = start(arguments, **options)
    try:
        out, err = command.communicate(timeout=timeout)
    finally:
        command.kill()
    return subprocess.CompletedProcess(["mlxts", *arguments], command.returncode or 0, out, err)


class _Streams:
    """File descriptors that reach a fork: the numbers here, what stands for them there."""

    def __init__(self, ends: tuple[Any, ...]) -> None:
        self.ends = ends

    def __reduce__(self) -> tuple[Any, ...]:
        return _Streams, (tuple(None if end is None else DupFd(end) for end in self.ends),)


def _become(
    arguments: list[str], environment: dict[str, str], folder: str, before: str, streams: _Streams
) -> None:
    """Be the command, in a fork."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if streams.ends[0] is not None:
        os.setsid()
    for number, end in enumerate(streams.ends):
        own = os.open(os.devnull, os.O_RDONLY) if end is None else end.detach()
        os.dup2(own, number)
        os.close(own)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv = ["mlxts", *arguments]
    exec(f"{before}\n{_BEGIN}", {})
