"""Kernels with vector instructions: what makes them, what is left when something breaks."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from mlxts.platform import cpu_jit, device
from tests.platform.children import python

linux = pytest.mark.skipif(sys.platform != "linux", reason="MLX compiles with g++ on Linux only")
compiler = pytest.mark.skipif(
    cpu_jit.compiler() is None or cpu_jit.switched_off(), reason="no compiler here"
)
# Turn the kernels on and use one, or say that there are none.
USE = (
    "import mlxts; from mlxts.platform import cpu_jit;"
    " print(cpu_jit.enable(probe=True), flush=True);"
    "import mlx.core as mx; f = mx.compile(lambda x: mx.exp(x) + mx.sigmoid(x) * 2);"
    "print(round(f(mx.zeros(3))[0].item(), 6), flush=True)"
)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the compiler was tried, and its kernels are."""
    cache = tmp_path_factory.mktemp("made")
    if cpu_jit.compiler() is None or python(USE, XDG_CACHE_HOME=str(cache)).split()[0] == "False":
        pytest.skip("no compiler here that MLX can use")
    return cache


@pytest.fixture
def cache(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "cache"))


@linux
def test_compiled_kernels_agree_with_python_and_stay_out_of_the_temporary_folder(
    tmp_path: Path,
) -> None:
    code = (
        "import mlxts, tempfile; from mlxts.platform import cpu_jit;"
        " print(cpu_jit.enable(probe=True));"
        "print(tempfile.gettempdir());"
        "import mlx.core as mx, math; f = mx.compile(lambda x: mx.erf(x) * 3 + mx.exp(-x));"
        "y = f(mx.array([0.3, 1.7])).tolist();"
        "print(all(abs(a - (3 * math.erf(x) + math.exp(-x))) < 1e-5"
        " for a, x in zip(y, [0.3, 1.7])))"
    )
    said = python(code, XDG_CACHE_HOME=str(tmp_path)).split()
    if said[0] == "False":
        pytest.skip("no compiler here that MLX can use")
    assert said[1] == tempfile.gettempdir()
    assert said[2] == "True"
    assert list(tmp_path.rglob("mlx/*/cpu/*.so"))


@linux
def test_kernels_can_be_left_as_they_come() -> None:
    code = "import os, mlxts; from mlxts.platform import cpu_jit; print(cpu_jit.enable(probe=True))"
    assert python(code, MLXTS_KERNELS="stock").strip() == "False"


@linux
def test_a_compiler_that_does_not_work_is_left_alone(tmp_path: Path) -> None:
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    code = (
        "import mlxts; from mlxts.platform import cpu_jit; print(cpu_jit.enable(probe=True));"
        "import mlx.core as mx; print(mx.exp(mx.zeros(1)).item())"
    )
    said = python(
        code, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", XDG_CACHE_HOME=str(tmp_path)
    )
    assert said.split() == ["False", "1.0"]


def test_the_kernel_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cpu_jit.cache_folder() == tmp_path / "mlxts" / "kernels"


def test_a_child_process_shares_the_kernels_and_has_its_own_temporary_folder(
    tmp_path: Path,
) -> None:
    tell = "print(os.environ['TMPDIR'], tempfile.gettempdir(), cpu_jit.compiler(), flush=True);"
    begin = "import mlxts, os, tempfile; from mlxts.platform import cpu_jit;"
    ask = f"{begin} cpu_jit.enable(probe=True); {tell}"
    code = (
        f"{ask} import subprocess, sys; subprocess.run([sys.executable, '-c', {ask!r}], check=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    parent, child = done.stdout.splitlines()
    assert parent == child
    if cpu_jit.compiler():
        assert str(tmp_path / "cache") in parent.split()[0]
        assert parent.split()[1] == str(tmp_path)
        assert len(list((tmp_path / "cache" / "mlxts" / "kernels").iterdir())) == 1


def test_a_child_process_may_leave_the_kernels_of_its_parent() -> None:
    ask = (
        "import os; from mlxts import platform; platform.enable();"
        " print(os.environ['PATH'], os.environ.get('TMPDIR'), flush=True)"
    )
    code = (
        "import mlxts, os, subprocess, sys; from mlxts.platform import cpu_jit;"
        "cpu_jit.enable(probe=True);"
        "os.environ['MLXTS_KERNELS'] = 'stock';"
        f"subprocess.run([sys.executable, '-c', {ask!r}], check=True)"
    )
    outside = {k: v for k, v in os.environ.items() if not k.startswith("MLXTS_KERNEL")}
    outside |= {"PATH": os.defpath, "TMPDIR": "/tmp"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=outside, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [os.defpath, "/tmp"]


def _fake(folder: Path, script: str) -> str:
    """A PATH on which `g++` is this shell script; REAL stands for the compiler itself."""
    real = cpu_jit.compiler()
    folder.mkdir(exist_ok=True)
    (folder / "g++").write_text(f"#!/bin/sh\n{script.replace('REAL', str(real))}\n")
    (folder / "g++").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def _machine(cache: Path) -> Path:
    """The one folder of kernels below a cache."""
    (folder,) = (cache / "mlxts" / "kernels").iterdir()
    return folder


@compiler
def test_a_cache_without_its_folders_is_furnished_again(cache: Path) -> None:
    folder = _machine(cache)
    for name in ("tmp", "bin"):
        shutil.rmtree(folder / name)
    assert python(USE, XDG_CACHE_HOME=str(cache)).split() == ["True", "2.0"]
    assert list((folder / "tmp").rglob("*.so"))


@compiler
def test_a_kernel_that_never_reached_the_disk_is_compiled_again(cache: Path) -> None:
    libraries = [*_machine(cache).rglob("mlx/**/*.so"), *_machine(cache).glob("*.so")]
    for library in libraries:
        library.write_bytes(b"")
    assert python(USE, XDG_CACHE_HOME=str(cache)).split() == ["True", "2.0"]
    used = [library for library in libraries if library.exists() and library.stat().st_size]
    assert len(used) >= 1


@compiler
@pytest.mark.parametrize(
    ("script", "remembered"),
    [
        ("echo 'x.cpp:1:1: error: unknown flag' >&2; exit 1", True),
        ("echo 'fatal error: Killed signal terminated program cc1plus' >&2; exit 1", False),
        ("echo 'fatal error: error writing: No space left on device' >&2; exit 1", False),
        ("kill -9 $$", False),
    ],
    ids=["refuses", "memory", "disk", "killed"],
)
def test_only_a_compiler_that_refuses_is_never_asked_again(
    tmp_path: Path, script: str, remembered: bool
) -> None:
    path = _fake(tmp_path / "bin", f'case "$*" in *--version*) exec REAL "$@";; esac\n{script}')
    enable = "import mlxts; from mlxts.platform import cpu_jit; print(cpu_jit.enable(probe=True))"
    assert python(enable, PATH=path, XDG_CACHE_HOME=str(tmp_path / "cache")) == "False"
    folder = _machine(tmp_path / "cache")
    assert (folder / "fails").exists() == remembered
    assert not (folder / "works").exists()


@compiler
@pytest.mark.usefixtures("made")
def test_a_link_to_a_compiler_is_called_by_its_own_name(tmp_path: Path) -> None:
    """As Debian's ccache does it: one program, that looks at the name it was called by."""
    script = 'case "$0" in *g++) exec REAL "$@";; *) echo "not a compiler" >&2; exit 1;; esac'
    path = _fake(tmp_path / "bin", script)
    (tmp_path / "bin" / "g++").rename(tmp_path / "bin" / "ccache")
    (tmp_path / "bin" / "g++").symlink_to("ccache")
    said = python(USE, PATH=path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert said.split() == ["True", "2.0"]


@compiler
def test_an_interrupt_while_a_kernel_is_compiled_waits_for_it(tmp_path: Path) -> None:
    """Ctrl-C reaches every process of the terminal's group, the compiler among them."""
    slow = f'case "$*" in *--version*) ;; *) touch {tmp_path}/began; sleep 1;; esac; exec REAL "$@"'
    path = _fake(tmp_path / "bin", slow)
    code = (
        "import mlxts; from mlxts.platform import cpu_jit;"
        " print(cpu_jit.enable(probe=True), flush=True)\n"
        "import mlx.core as mx; from mlxts.training.signals import Interrupt\n"
        "f = mx.compile(lambda x: mx.exp(x) + mx.sigmoid(x) * 2)\n"
        "with Interrupt() as interrupt:\n"
        "    input()\n"
        "    print(f(mx.zeros(3))[0].item(), interrupt.requested)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline().strip() == "False":
            pytest.skip("no compiler here that MLX can use")
        (tmp_path / "began").unlink()
        process.stdin.write("go\n")
        process.stdin.flush()
        while not (tmp_path / "began").exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert said.split() == ["2.0", "SIGINT"]
    assert process.returncode == 0


@compiler
def test_what_the_last_bits_depend_on_has_a_name(cache: Path, tmp_path: Path) -> None:
    tell = (
        "from mlxts.platform import cpu_jit, device; cpu_jit.enable(probe=True);"
        "print(device.describe()['kernel_set'])"
    )
    own = python(tell, XDG_CACHE_HOME=str(cache))
    assert own == python(tell, XDG_CACHE_HOME=str(cache))
    other = tell.replace("cpu_jit.enable", "cpu_jit._FLAGS += ' -O2'; cpu_jit.enable")
    assert own == "stock" or own != python(other, XDG_CACHE_HOME=str(tmp_path / "other"))
    assert python(tell, MLXTS_KERNELS="stock") == "stock"


def test_a_change_of_kernels_is_told() -> None:
    began = {**device.describe(), "kernel_set": "0123456789abcdef"}
    assert "kernel set" in device.changes_since(began)
    assert device.changes_since(device.describe()) == ""
