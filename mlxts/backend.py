"""The device: fast BLAS on Linux, memory, and what this machine is.

The only file that asks which platform this is. The Linux CPU wheel of MLX links the reference
BLAS (a few GFLOP/s); loading MKL or OpenBLAS with global symbols *before* `mlx.core` is imported
lets the dynamic linker resolve `cblas_sgemm` to the fast one. Loaded afterwards it does nothing,
which is why `prepare` runs when the package is imported.
"""

import contextlib
import ctypes
import os
import platform
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any, Literal

from mlxts import gemm, kernels

Device = Literal["metal", "cuda", "cpu"]

# Idle OpenMP threads must sleep soon: spinning ones take the core that another process needs. But
# not at once: waking them for each of attention's tiny products costs 100 times the product.
_THREAD_POLICY = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "1"}


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


_blas: Blas | None = None


def prepare() -> Blas:
    """Load the fast BLAS, once, before MLX. Does nothing where a GPU does the work.

    Warns once when only the slow reference BLAS is there.
    """
    global _blas
    if _blas is None:
        _blas = _choose_blas()
        kernels.enable(probe=False)
        if _blas.name == "reference":
            warnings.warn(_SLOW, RuntimeWarning, stacklevel=2)
        elif _blas.name == "late":
            warnings.warn(_LATE, RuntimeWarning, stacklevel=2)
    return _blas


def _choose_blas() -> Blas:
    threads = int(os.environ.get("MLXTS_THREADS", 0)) or _physical_cores()
    if sys.platform != "linux" or _cuda_wheel():
        return Blas("device", None, threads)
    if "mlx.core" in sys.modules:  # too late: symbols are bound already
        return Blas("mkl" if _mkl_is_loaded() else "late", None, threads)
    for key, value in _THREAD_POLICY.items():
        os.environ.setdefault(key, value)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ.setdefault("MKL_NUM_THREADS", os.environ["OMP_NUM_THREADS"])
    for name, path in _candidates():
        try:
            library = ctypes.CDLL(str(path))
            serial = name == "mkl" and _small_products_on_one_thread(library)
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return Blas(name, str(path), int(os.environ["MKL_NUM_THREADS"]), serial)
    return Blas("reference", None, 1)


def _small_products_on_one_thread(mkl: ctypes.CDLL) -> bool:
    compiler = kernels.compiler()
    if compiler is None or kernels.switched_off():
        return False
    return gemm.put_before(mkl, compiler, kernels.machine_folder(compiler))


def _cuda_wheel() -> bool:
    """Whether one of MLX's CUDA back-ends is installed beside its Python package."""
    for name in ("mlx-cuda-13", "mlx-cuda-12"):
        with contextlib.suppress(PackageNotFoundError):
            distribution(name)
            return True
    return False


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


def device() -> Device:
    """The backend that MLX computes on."""
    import mlx.core as mx

    if mx.default_device() == mx.Device(mx.cpu):
        return "cpu"
    return "metal" if mx.metal.is_available() else "cuda"


def device_name() -> str:
    """The chip's own name, as the console and run.json show it."""
    import mlx.core as mx

    name = mx.device_info().get("device_name") or platform.processor() or platform.machine()
    return str(name)


def memory() -> dict[str, int]:
    """Bytes: MLX's active, peak and cached memory, and what the process holds of the machine."""
    import mlx.core as mx
    import psutil

    return {
        "active": mx.get_active_memory(),
        "peak": mx.get_peak_memory(),
        "cache": mx.get_cache_memory(),
        "process": psutil.Process().memory_info().rss,
    }


def usable_memory() -> int:
    """Bytes that one run may plan with: the working set of a GPU, 80 % of the RAM elsewhere."""
    import mlx.core as mx
    import psutil

    info = mx.device_info()
    recommended = info.get("max_recommended_working_set_size") or info.get("memory_size")
    return int(recommended) if recommended else int(0.8 * psutil.virtual_memory().total)


def matmul_gflops(size: int = 2048, repeats: int = 5) -> float:
    """Measured float32 GFLOP/s of a size^3 matrix product, best of `repeats`."""
    import mlx.core as mx

    left, right = mx.random.normal((2, size, size), key=mx.random.key(0))
    mx.eval(left @ right)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        mx.eval(left @ right)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def describe() -> dict[str, Any]:
    """What run.json and `mlxts doctor` say of this machine."""
    blas = prepare()
    return {
        "device": device(),
        "device_name": device_name(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "mlx": version("mlx"),
        "blas": blas.name,
        "blas_path": blas.path and Path(blas.path).name,
        "threads": blas.threads,
        "small_products": "one thread" if blas.small_serial else "as the BLAS likes",
        "kernels": "vector" if kernels.enable(probe=False) else "stock",
        "memory_bytes": usable_memory(),
    }
