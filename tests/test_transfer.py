"""What crosses from the device to the host: whole values, or an error; never what was not made."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from mlxts import protocol, transfer
from mlxts.errors import DeviceError
from mlxts.model.patchtst import PatchTST, Shape
from mlxts.training.step import Forward
from tests import devices

VALUES = np.arange(4096, dtype=np.float32).reshape(64, 64)


@pytest.mark.parametrize("read", [transfer.evaluate, transfer.on_host, transfer.view])
def test_what_could_not_be_computed_is_an_error(read, tmp_path: Path) -> None:
    promised = devices.cut_array(tmp_path, VALUES)
    with pytest.raises(DeviceError, match=r"the device failed: .*--resume"):
        read(promised * 2.0)


def test_a_failure_that_was_begun_before_is_told_when_it_is_waited_for(tmp_path: Path) -> None:
    doubled = devices.cut_array(tmp_path, VALUES) * 2.0
    with pytest.raises(DeviceError):  # whichever of the two notices
        transfer.start(doubled)
        transfer.evaluate(doubled)


def test_a_forward_pass_over_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    features = devices.cut_array(tmp_path, VALUES)
    forward = Forward(PatchTST(Shape("mixing", 64, 12, 4, 4, 8, 1, 2, 12, 3)), 16)
    with pytest.raises(DeviceError):
        forward(features, np.arange(12, 60))
    whole = forward(mx.array(VALUES), np.arange(12, 60))  # the device is not spoilt by it
    assert np.isfinite(whole).all()


def test_trees_of_arrays_become_trees_of_copies() -> None:
    tree = {"a": mx.array([1, 2]), "b": (mx.array(0.5), mx.array([1.5, 2.5], dtype=mx.bfloat16))}
    found = transfer.on_host(tree)
    assert found["a"].tolist() == [1, 2]
    assert float(found["b"][0]) == 0.5
    assert found["b"][1].dtype == np.float32
    assert found["b"][1].tolist() == [1.5, 2.5]
    found["a"][0] = 9
    assert tree["a"].tolist() == [1, 2]


SAID = {
    "[METAL] Command buffer execution failed: Impacting Interactivity "
    "(0000000e:kIOGPUCommandBufferCallbackErrorImpactingInteractivity)": "drives a display",
    "[METAL] Command buffer execution failed: Caused GPU Timeout Error "
    "(00000002:kIOGPUCommandBufferCallbackErrorTimeout)": "drives a display",
    "[METAL] Command buffer execution failed: Insufficient Memory "
    "(00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)": "takes memory",
    "[malloc] Unable to allocate 99999999999 bytes.": "takes memory",
    "cudaMallocAsync(&data, size, stream) failed: out of memory": "takes memory",
    "[read] Unable to read\nfrom file.": "run the same command again",
}


@pytest.mark.parametrize("said", SAID)
def test_the_message_has_what_mlx_said_and_how_to_go_on(said: str) -> None:
    error = transfer.failure(RuntimeError(said))
    assert " ".join(said.split()).rstrip(".") + "; " in str(error)
    assert SAID[said] in str(error)
    assert "--resume" in str(error)
    assert "\n" not in str(error)
    assert error.exit_code == protocol.EXIT_DEVICE


# Counts the calls of popen, of which the first FAILS fail as they do in a race with setenv.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int calls;
FILE *popen(const char *command, const char *mode) {
    FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "popen");
    fprintf(stderr, "popen\n");
    if (calls++ < atoi(getenv("FAILS"))) { errno = ENOMEM; return NULL; }
    return real(command, mode);
}
int setenv(const char *name, const char *value, int overwrite) {
    int (*real)(const char *, const char *, int) = dlsym(RTLD_NEXT, "setenv");
    if (strstr(name, "MEMKIND")) fprintf(stderr, "setenv\n");
    return real(name, value, overwrite);
}
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that watches the calls of libc which get into each other's way."""
    if sys.platform != "linux" or not shutil.which("g++"):
        pytest.skip("MLX calls a compiler on Linux, where there is one")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    library = folder / "shim.so"
    command = ["g++", "-x", "c", "-shared", "-fPIC", "-o", str(library), str(folder / "shim.c")]
    subprocess.run([*command, "-ldl"], check=True)
    return library


def _python(code: str, shim: Path, folder: Path, fails: int = 0) -> tuple[str, list[str]]:
    """What a process prints whose kernels are all to be compiled, and its calls in their order."""
    environment = {
        **os.environ, "LD_PRELOAD": str(shim), "FAILS": str(fails),
        "TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout, [line for line in done.stderr.splitlines() if line in ("popen", "setenv")]


KERNEL = """
import mlxts, mlx.core as mx
from mlxts import transfer
from mlxts.errors import DeviceError
made = mx.compile(lambda x: mx.exp(x) * 2 + 1)(mx.zeros(4))
try:
    print(transfer.on_host(made).tolist())
except DeviceError as error:
    print(error)
"""


@pytest.mark.parametrize("begun", ["", "transfer.start(made)"])
def test_a_compiler_that_could_not_be_started_is_started_again(
    begun: str, shim: Path, tmp_path: Path
) -> None:
    said, calls = _python(KERNEL.replace("try:", f"{begun}\ntry:"), shim, tmp_path, fails=1)
    assert said.strip() == "[3.0, 3.0, 3.0, 3.0]"
    assert calls.count("popen") == 2


def test_a_compiler_that_cannot_be_started_twice_is_an_error(shim: Path, tmp_path: Path) -> None:
    said, calls = _python(KERNEL, shim, tmp_path, fails=9)
    assert "the device failed" in said
    assert "popen() failed" in said
    assert calls.count("popen") == 2


MODEL = """
import mlxts, mlx.core as mx
from mlxts.platform import blas
if blas.load().name != "mkl":
    print("not MKL")
mlxts.PatchTST(mlxts.Shape("mixing", 3, 12, 4, 4, 8, 1, 2, 12, 3))
mx.eval(mx.compile(lambda x: mx.exp(x) * 2 + 1)(mx.zeros(4)))
square = mx.ones((256, 256))
mx.eval(square @ square)
"""


def test_the_blas_has_changed_the_environment_before_a_compiler_is_called(
    shim: Path, tmp_path: Path
) -> None:
    said, calls = _python(MODEL, shim, tmp_path)
    if "not MKL" in said:
        pytest.skip("only MKL's OpenMP runtime does it")
    assert calls[0] == "setenv"
    assert calls.count("setenv") == 1
    assert "popen" in calls
