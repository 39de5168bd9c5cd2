"""Vector instructions for the kernels that MLX compiles on Linux.

MLX's CPU backend fuses element-wise operations into C++ that it compiles on the spot with the
`g++` on PATH, without any flag that allows vector instructions: `exp` and `erf` run one number
at a time. A wrapper of a few lines, placed in front on this process's PATH, adds those flags. MLX
caches kernels by name alone, in the temporary folder, so ours get a folder of their own, one for
each machine, compiler, set of flags and MLX version.

Results differ from the stock kernels in the last bits (fused multiply-add). `-ffast-math` stays
out: it would flush small numbers to zero in the whole process. `MLXTS_KERNELS=stock` turns all of
this off.
"""

import contextlib
import functools
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

_FLAGS = (
    "-march=native -fno-math-errno -fno-trapping-math -fno-signed-zeros "
    "--param max-inline-insns-single=4000 --param max-inline-insns-auto=400 "
    "--param large-function-growth=4000 --param large-stack-frame-growth=4000 "
    "--param inline-unit-growth=400 "
    # A kernel checks at run time whether its arrays overlap. Above ten such checks GCC gives up
    # and computes one element at a time; AdamW's kernel, of seven arrays, needs more.
    "--param vect-max-version-for-alias-checks=200"
)
# Variables through which a process that enabled them informs its children.
_FOLDER, _OUTER = "MLXTS_KERNEL_FOLDER", "MLXTS_OUTER_TMPDIR"
# A kernel with the operations that matter: if this compiles and is right, the others do too.
_PROBE = """
import math, mlx.core as mx
f = mx.compile(lambda x: mx.exp(x) * mx.erf(x) + mx.sigmoid(x))
x = mx.linspace(-2, 2, 64)
want = [math.exp(v) * math.erf(v) + 1 / (1 + math.exp(-v)) for v in x.tolist()]
right = all(abs(a - b) < 1e-5 for a, b in zip(f(x).tolist(), want, strict=True))
raise SystemExit(0 if right else 3)
"""
_WRONG = 3  # status of a probe whose numbers are wrong
_ENOUGH = 256  # rows of a product that reaches MKL: `gemm` answers small ones itself
# Messages of a compiler that was killed or found no room: another time it may work.
_TEMPORARY_FAILURE = re.compile(
    "killed|terminated|no space|quota|memory exhausted|out of memory|cannot allocate"
    "|temporarily unavailable|read-only|permission denied",
    re.IGNORECASE,
)

_enabled: bool | None = None


def enable(*, probe: bool) -> bool:
    """Let MLX compile its kernels with vector instructions, in this process only.

    Args:
        probe: try the compiler if this machine has not been tried before (a second or two, once).
            Without it an untried compiler is left alone.

    Returns:
        Whether such kernels are in use. Where no working compiler is found MLX keeps its own.
    """
    global _enabled
    if _enabled is None:
        _restore_parent_environment()
    if _enabled is None or (probe and not _enabled):
        _enabled = _enable(probe)
    return _enabled


def _enable(probe: bool) -> bool:
    gxx = compiler()
    if gxx is None or switched_off():
        return False
    folder = machine_folder(gxx)
    if not (folder / "works").exists() and (not probe or (folder / "fails").exists()):
        return False
    environment = _environment(folder)
    try:
        _prepare_folder(folder, gxx)
        if not (folder / "works").exists() and not _try(folder, environment):
            return False
    except (OSError, subprocess.TimeoutExpired):
        return False
    tempfile.gettempdir()  # Python's own temporary files stay where they were
    os.environ.update(environment)
    return True


@functools.cache
def settle() -> None:
    """Let the BLAS change the environment now, before MLX calls a compiler.

    At its first matrix product MKL's OpenMP runtime sets a variable (MEMKIND_HEAP_MANAGER), in
    MLX's own thread. MLX starts the compiler from another one by popen, which fails where a
    variable is set at that very moment. Called by whatever builds a network: so the product comes
    before any kernel of one.
    """
    if sys.platform != "linux":
        return
    import mlx.core as mx

    from mlxts import transfer

    square = mx.ones((_ENOUGH, _ENOUGH))
    transfer.evaluate(square @ square)


def identity() -> str:
    """Identifies the kernels of this process: compiler, flags, MLX and processor."""
    return Path(os.environ[_FOLDER]).name if _enabled else "stock"


def cache_folder() -> Path:
    """`~/.cache/mlxts/kernels`, or below XDG_CACHE_HOME."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "mlxts" / "kernels"


def compiler() -> Path | None:
    """The C++ compiler that MLX would call, on Linux."""
    if sys.platform != "linux":
        return None
    gxx = shutil.which("g++", path=_outer()[0])
    # Not resolved: the file behind the link may be ccache, which goes by the name it is called.
    return Path(gxx).absolute() if gxx else None


def switched_off() -> bool:
    return os.environ.get("MLXTS_KERNELS") == "stock"


def machine_folder(compiler: Path) -> Path:
    """Where what was compiled for this machine, compiler, MLX and flags is kept."""
    file = compiler.resolve()
    stat = file.stat()
    processor = sorted(
        {
            line
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith(("model name", "flags", "Features", "CPU part"))
        }
    )
    parts = (_FLAGS, version("mlx"), str(file), stat.st_size, stat.st_mtime_ns, processor)
    return cache_folder() / hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _environment(folder: Path) -> dict[str, str]:
    path = os.environ.get("PATH", os.defpath)
    return {
        "PATH": f"{folder / 'bin'}{os.pathsep}{path}",
        "TMPDIR": str(folder / "tmp"),
        _FOLDER: str(folder),
        _OUTER: os.environ.get("TMPDIR", ""),
    }


def _outer() -> tuple[str, str]:
    """PATH and TMPDIR as they were before this process, or one above it, turned its kernels on."""
    path, temporary = os.environ.get("PATH", os.defpath), os.environ.get("TMPDIR", "")
    if folder := os.environ.get(_FOLDER):
        wrapper, kernels = str(Path(folder, "bin")), str(Path(folder, "tmp"))
        path = os.pathsep.join(part for part in path.split(os.pathsep) if part != wrapper)
        temporary = os.environ.get(_OUTER, "") if temporary == kernels else temporary
    return path, temporary


def _restore_parent_environment() -> None:
    """Begin from the environment that a parent process had before it turned its kernels on.

    Otherwise the compiler found here would be the parent's wrapper, with a cache of its own to
    fill, and temporary files would land among the parent's kernels.
    """
    path, temporary = _outer()
    folder, _ = os.environ.pop(_FOLDER, None), os.environ.pop(_OUTER, None)
    if folder is None:
        return
    os.environ.pop("TMPDIR", None)
    os.environ |= {"PATH": path} | ({"TMPDIR": temporary} if temporary else {})
    if tempfile.tempdir == str(Path(folder, "tmp")):
        tempfile.tempdir = None  # cached before


def _prepare_folder(folder: Path, compiler: Path) -> None:
    """Put the wrapper and MLX's temporary folder there, and take away kernels that are no files.

    Someone may have cleaned the cache, or the power may have gone before a kernel reached the
    disk; MLX would stumble over either for ever.
    """
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    for library in (folder / "tmp").rglob("*.so"):
        with contextlib.suppress(FileNotFoundError):  # another process was first
            if not library.stat().st_size:
                library.unlink()
    wrapper, text = folder / "bin" / "g++", _wrapper(compiler)
    if not wrapper.exists() or wrapper.read_text(encoding="utf-8") != text:
        temporary = folder / "bin" / f".{os.getpid()}"
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(0o755)
        temporary.replace(wrapper)


def _wrapper(compiler: Path) -> str:
    """The shell script that MLX calls in the place of the compiler.

    It ignores SIGINT: a Ctrl-C reaches the whole group of processes, and is meant for the run,
    which ends after its step. A library appears under its name when it is whole.
    """
    return f"""#!/bin/sh
trap '' INT
named= before=
for argument do
    shift
    if [ "$before" = -o ]; then
        named=$argument
        argument=$argument.$$
    fi
    before=$argument
    set -- "$@" "$argument"
done
[ -n "$named" ] || exec {shlex.quote(str(compiler))} {_FLAGS} "$@"
{shlex.quote(str(compiler))} {_FLAGS} "$@" && exec mv -f "$named.$$" "$named"
status=$?
rm -f "$named.$$"
exit $status
"""


def _try(folder: Path, environment: dict[str, str]) -> bool:
    """Compile one kernel with the wrapper, in a process that may fail, and remember the outcome.

    Raises:
        OSError, TimeoutExpired: it could not be tried.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PROBE],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=120,
        check=False,
    )
    # MLX falls back in silence when the compiler fails, so a right answer is not enough.
    if done.returncode == 0 and any((folder / "tmp").rglob("*.so")):
        (folder / "works").touch()
        return True
    if done.returncode == _WRONG or _compiler_rejects(folder):
        (folder / "fails").touch()
    return False


def _compiler_rejects(folder: Path) -> bool:
    """Whether the compiler rejects the kernel that MLX wrote, and not for want of room or time."""
    written = next((folder / "tmp").rglob("*.cpp"), None)
    if written is None:
        return False
    command = [str(folder / "bin" / "g++"), "-std=c++17", "-O3", "-fPIC", "-shared"]
    done = subprocess.run(
        [*command, str(written), "-o", str(folder / "tmp" / f"tried.{os.getpid()}.so")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    (folder / "tmp" / f"tried.{os.getpid()}.so").unlink(missing_ok=True)
    return done.returncode > 0 and not _TEMPORARY_FAILURE.search(done.stderr)
