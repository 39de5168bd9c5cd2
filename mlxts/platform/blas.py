"""Which library multiplies matrices on the CPU backend, and on how many threads.

The Linux CPU wheel of MLX links the reference BLAS (a few GFLOP/s). Loading MKL or OpenBLAS with
global symbols *before* `mlx.core` is imported lets the dynamic linker resolve `cblas_sgemm` to the
fast one; loaded afterwards it does nothing.
"""

import ctypes
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mlxts.platform import cpu_jit, small_gemm, wheels

MOST_THREADS = 1024  # the libraries that start them crash long before their own limit

# Idle OpenMP threads must sleep soon: spinning ones take the core that another process needs. But
# not at once: waking them for each of attention's tiny products costs 100 times the product.
_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "1"}

_SLOW = (
    "no MKL or OpenBLAS found, so matrix products run 20 times slower: "
    "install one (pip install mkl, or your distribution's libopenblas0)"
)
_LATE = "mlx was imported before mlxts, so matrix products run 20 times slower: import mlxts first"


@dataclass(frozen=True)
class Blas:
    """Which library multiplies matrices on the CPU backend."""

    name: str  # mkl, openblas, reference, late (MLX came first); device: a GPU multiplies
    path: str | None
    threads: int
    small_serial: bool = False  # products too small for threads stay on one


@cache
def load() -> Blas:
    """Load the fast BLAS, once, before MLX, where no GPU does the work.

    Warns once when only the slow reference BLAS is there, or no backend of MLX at all.
    """
    if sys.platform == "linux" and wheels.missing():
        warnings.warn(wheels.no_backend(), RuntimeWarning, stacklevel=2)
    blas = _choose()
    if blas.name == "reference":
        warnings.warn(_SLOW, RuntimeWarning, stacklevel=2)
    elif blas.name == "late":
        warnings.warn(_LATE, RuntimeWarning, stacklevel=2)
    return blas


def limit_threads() -> None:
    """Set the number of threads of the loaded BLAS, before its first product, and other libraries.

    OpenBLAS has read the environment when it was loaded, so it is set by a call.
    """
    blas = load()
    if blas.path is None:
        return
    for key, value in _WAITING.items():
        os.environ.setdefault(key, value)
    if thread_count("MLXTS_THREADS") or not thread_count("OMP_NUM_THREADS"):
        os.environ["OMP_NUM_THREADS"] = str(blas.threads)
    os.environ["MKL_NUM_THREADS"] = str(blas.threads)
    if blas.name == "openblas":
        ctypes.CDLL(blas.path).openblas_set_num_threads(blas.threads)


def thread_count(variable: str) -> int:
    """A number of threads from the environment: 0 if it is not set, empty, or out of bounds.

    OpenMP takes a list, one number a level of nesting: the first is the one that counts here.
    """
    first = os.environ.get(variable, "").split(",")[0].strip()
    few = first.isdecimal() and len(first.lstrip("0")) <= len(str(MOST_THREADS))
    return int(first) if few and int(first) <= MOST_THREADS else 0


def _choose() -> Blas:
    requested = thread_count("MLXTS_THREADS")
    threads = requested or _physical_cores()
    if sys.platform != "linux" or (wheels.owner() or "").startswith("mlx-cuda"):
        return Blas("device", None, threads)
    if "mlx.core" in sys.modules:  # too late: symbols are bound already
        return Blas("mkl" if _mkl_is_loaded() else "late", None, threads)
    # A parent process may have written it: our own variable takes precedence.
    threads = (
        requested or thread_count("MKL_NUM_THREADS") or thread_count("OMP_NUM_THREADS") or threads
    )
    for name, path in _candidates():
        try:
            library = ctypes.CDLL(str(path))
            serial = name == "mkl" and _small_products_on_one_thread(library)
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return Blas(name, str(path), threads, serial)
    return Blas("reference", None, 1)


def _small_products_on_one_thread(mkl: ctypes.CDLL) -> bool:
    compiler = cpu_jit.compiler()
    if compiler is None or cpu_jit.switched_off():
        return False
    return small_gemm.put_before(mkl, compiler, cpu_jit.machine_folder(compiler))


def _mkl_is_loaded() -> bool:
    return "libmkl_rt" in Path("/proc/self/maps").read_text()


def _candidates() -> Iterator[tuple[str, Path]]:
    """MKL from its wheel (`<prefix>/lib`), then whatever OpenBLAS the system's linker knows."""
    for prefix in dict.fromkeys((sys.prefix, sys.base_prefix)):
        for path in sorted(Path(prefix, "lib").glob("libmkl_rt.so*"), reverse=True):
            yield "mkl", path
    for soname in ("libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so"):
        yield "mkl", Path(soname)
    for soname in ("libopenblas.so.0", "libopenblas.so"):
        yield "openblas", Path(soname)


def _physical_cores() -> int:
    # The affinity mask counts: a container may own two of the host's 64 cores.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
