"""Runs the command line once for each request, in a fork of a process that has loaded it already.

A command takes half a second to load and a few milliseconds to refuse its input. What is loaded
here is never used before the fork, so that no thread of a library is lost on it.

    with Server() as server:
        outcome = server.call(["runs"], home=Path("workspace"))
"""

import ctypes
import gc
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

LOADED = (
    "mlxts.cli.app", "mlxts.experiment", "mlxts.walk_forward", "mlxts.search.study",
    "mlxts.search.sweep", "mlxts.search.worker", "mlxts.report.page", "mlxts.report.paper",
    "mlxts.report.run_page", "mlxts.interop.weight_export", "mlxts.scaling.mixed_effects",
    "mlxts.workspace.handoff", "mlxts.workspace.documents", "mlxts.evaluation.baseline_selection",
    "mlxts.tracking.run_export", "mlxts.simulation.source", "sklearn.linear_model",
    "arch.bootstrap", "matplotlib.backends.backend_agg",
)  # fmt: skip
_CAPABILITIES = 0x20080522  # version 3 of the interface
_ENVIRONMENT = {"GLIBC_TUNABLES": "", "MLXTS_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code (negative: the signal that killed it), and what it printed."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def is_traceback(self) -> bool:
        """Whether Python's own words about an error reached the user, or the process crashed."""
        return (
            "Traceback (most recent call last)" in self.err
            or self.code in (1, 70)
            or (self.code < 0)
        )


class Server:
    """A process that waits for requests."""

    def __enter__(self) -> Self:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLXTS_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.bad.server"],
            env={**environment, **_ENVIRONMENT}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def call(
        self,
        arguments: list[str],
        home: Path,
        *,
        environment: dict[str, str] | None = None,
        largest_file: int | None = None,
        bound_by_modes: bool = False,
        output: str = "",
        seconds: float = 120.0,
    ) -> Outcome:
        """Run `mlxts ARGUMENTS` in the folder `home`, which is its workspace as well.

        Args:
            largest_file: bytes that a file may hold, as on a full disk.
            bound_by_modes: whether folders that are not writable are so for root too (Linux).
            output: where standard output goes; "": it is read. "closed": nowhere.
            seconds: after which it is killed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "arguments": arguments, "home": str(home), "environment": environment or {},
            "largest_file": largest_file, "bound_by_modes": bound_by_modes, "output": output,
            "seconds": seconds,
        }  # fmt: skip
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))


def _serve() -> None:
    import importlib

    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()  # no fork's collection of garbage goes through it
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints is no answer
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _become(request, out_end, err_end)
    os.close(out_end)
    os.close(err_end)
    said = {out: b"", err: b""}
    open_ends = [out, err]
    while open_ends:
        left = request["seconds"] - (time.monotonic() - began)
        ready, _, _ = select.select(open_ends, [], [], max(left, 0.0))
        if not ready:
            os.kill(child, signal.SIGKILL)
        for descriptor in ready or open_ends:
            data = os.read(descriptor, 1 << 16)
            said[descriptor] += data
            if not data:
                open_ends.remove(descriptor)
                os.close(descriptor)
    _, status = os.waitpid(child, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": said[out].decode("utf-8", "replace"),
        "err": said[err].decode("utf-8", "replace"),
        "seconds": time.monotonic() - began,
    }


def _become(request: dict[str, Any], out: int, err: int) -> None:
    """Be the command; does not return."""
    code = 1
    try:
        os.chdir(request["home"])
        os.environ.update({"MLXTS_HOME": request["home"], "MLXTS_LOCKS": request["home"]})
        os.environ.update(request["environment"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(request["output"], os.O_WRONLY) if request["output"] else out, 1)
        os.dup2(err, 2)
        encoding = request["environment"].get("PYTHONIOENCODING", "utf-8")
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            setattr(sys, name, open(descriptor, "w", encoding=encoding, closefd=False))  # noqa: SIM115
        if request["largest_file"] is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            largest = request["largest_file"]
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        if request["bound_by_modes"]:
            _give_up_capabilities()
        sys.argv = ["mlxts", *request["arguments"]]
        from mlxts.cli import main

        main()
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = 120
        os._exit(code)


def _give_up_capabilities() -> None:
    if os.geteuid() == 0:
        header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
        if ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()):
            raise OSError("capabilities cannot be given up")


if __name__ == "__main__":
    _serve()
