"""The device: fast BLAS on Linux, memory, and what this machine is.

The only file that asks which platform this is. The Linux CPU wheel of MLX links the reference
BLAS (a few GFLOP/s); loading MKL or OpenBLAS with global symbols *before* `mlx.core` is imported
lets the dynamic linker resolve `cblas_sgemm` to the fast one. Loaded afterwards it does nothing,
which is why `prepare` runs when the package is imported.
"""

import ctypes
import os
import platform
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlxts import files
from mlxts.errors import ConfigError
from mlxts.platform import cpu_jit, huge_pages, small_gemm, wheels
from mlxts.platform import memory as machine_memory

if TYPE_CHECKING:
    import mlx.core as mx
    import numpy as np

Device = Literal["metal", "cuda", "cpu"]

# Idle OpenMP threads must sleep soon: spinning ones take the core that another process needs. But
# not at once: waking them for each of attention's tiny products costs 100 times the product.
_THREAD_POLICY = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "1"}

# MLX's own default is on: CUDA, and Metal from the M5 on, then round the factors of every float32
# product to 10 bits. MLX reads the variable at the first product.
_TF32 = "MLX_ENABLE_TF32"

_MOST_THREADS = 1024  # the libraries that start them crash long before their own limit
_CPU_CACHE = 256 * 2**20  # bytes of free buffers that a run on the CPU backend keeps
_CPU_CACHE_SHARE = 0.3  # of what a run plans to need

# Of what `describe` says, what decides the last bits.
_LAST_BITS = (
    "device", "device_name", "mlx", "blas", "threads", "small_products", "kernels", "kernel_set",
    "tf32",
)  # fmt: skip

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
    """Load the fast BLAS, once, before MLX, where no GPU does the work; turn TF32 off.

    Warns once when only the slow reference BLAS is there, or no backend of MLX at all.
    """
    global _blas
    if _blas is None:
        os.environ.setdefault(_TF32, "0")
        if sys.platform == "linux" and wheels.missing():
            warnings.warn(wheels.NO_BACKEND, RuntimeWarning, stacklevel=2)
        _blas = _choose_blas()
        cpu_jit.enable(probe=False)
        if _blas.name == "reference":
            warnings.warn(_SLOW, RuntimeWarning, stacklevel=2)
        elif _blas.name == "late":
            warnings.warn(_LATE, RuntimeWarning, stacklevel=2)
    return _blas


def _choose_blas() -> Blas:
    asked = _count("MLXTS_THREADS")
    threads = asked or _physical_cores()
    if sys.platform != "linux" or (wheels.owner() or "").startswith("mlx-cuda"):
        return Blas("device", None, threads)
    if "mlx.core" in sys.modules:  # too late: symbols are bound already
        return Blas("mkl" if _mkl_is_loaded() else "late", None, threads)
    for key, value in _THREAD_POLICY.items():
        os.environ.setdefault(key, value)
    # What stands there may be what a parent process wrote: our own variable outranks it.
    threads = asked or _count("MKL_NUM_THREADS") or _count("OMP_NUM_THREADS") or threads
    if asked or not _count("OMP_NUM_THREADS"):
        os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["MKL_NUM_THREADS"] = str(threads)
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


def _count(variable: str) -> int:
    """A number of threads from the environment: 0 if it is not set, empty, or out of bounds.

    OpenMP takes a list, one number a level of nesting: the first is the one that counts here.
    """
    first = os.environ.get(variable, "").split(",")[0].strip()
    few = first.isdecimal() and len(first.lstrip("0")) <= len(str(_MOST_THREADS))
    return int(first) if few and int(first) <= _MOST_THREADS else 0


def check_environment() -> None:
    """Look at the variables that people set, which `prepare` passes over where they are wrong.

    Raises:
        ConfigError: MLXTS_THREADS, MLXTS_KERNELS or MLXTS_HOME is none of the possible values.
    """
    threads, chosen = os.environ.get("MLXTS_THREADS", ""), os.environ.get("MLXTS_KERNELS", "")
    if threads and not _count("MLXTS_THREADS"):
        raise ConfigError(
            f"MLXTS_THREADS: {threads} is no number of threads; set 1 to {_MOST_THREADS}, or leave "
            "it out"
        )
    if files.home().exists() and not files.home().is_dir():
        raise ConfigError(f"MLXTS_HOME: {files.home()} is no folder; name one, or leave it out")
    if chosen not in ("", "stock"):
        raise ConfigError(f"MLXTS_KERNELS: {chosen} is not stock; set that, or leave it out")


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
    """Bytes: MLX's active, peak and cached memory, and what the process takes of the machine."""
    import mlx.core as mx

    return {
        "active": mx.get_active_memory(),
        "peak": mx.get_peak_memory(),
        "cache": mx.get_cache_memory(),
        "process": machine_memory.footprint(),
    }


def usable_memory() -> int:
    """Bytes that one run may ever plan with on this machine; does not change with its load.

    A GPU's recommended working set (Metal) or its memory (CUDA, 95 % of it); elsewhere 80 % of the
    RAM, or of what a container was granted of it.
    """
    import mlx.core as mx

    info = mx.device_info()
    if recommended := info.get("max_recommended_working_set_size"):
        return int(recommended)
    if of_device := info.get("total_memory") or info.get("memory_size"):
        return int(0.95 * int(of_device))
    return int(0.8 * machine_memory.total())


def available_memory() -> int:
    """Bytes of `usable_memory` that this process can have now, with what it holds already.

    Metal's recommended working set leaves other processes out, so that the operating system is
    asked there too: a GPU that shares the machine's memory has what the machine has.
    """
    import mlx.core as mx

    usable, info = usable_memory(), mx.device_info()
    held = mx.get_active_memory() + mx.get_cache_memory()
    if "free_memory" in info:
        return min(usable, int(info["free_memory"]) + held)
    if device() == "cuda":
        return usable
    free = int(0.9 * machine_memory.available())  # the rest is left to others
    return min(usable, free + (machine_memory.footprint() if device() == "cpu" else held))


def memory_outside_mlx() -> int:
    """Bytes of `available_memory` that this process holds besides MLX's arrays.

    Code, tables, and the buffers that MLX's allocator keeps. A GPU's memory holds none of them.
    """
    import mlx.core as mx

    if device() != "cpu":
        return 0
    return max(0, machine_memory.footprint() - mx.get_active_memory())


def limit_memory(planned: int) -> None:
    """Tell MLX what a run of `planned` bytes may keep. Where a GPU shares the machine's memory:

    - Buffers that are free stay in a cache for the next step. Its limit is by default as large as
      the memory, and a process that trains for hours then grows while MLX's own peak stays flat;
      a step never reuses more than a step needs.
    - What the run needs is wired (macOS 15), so that an idle night does not page the weights out.
      Not all that could be wired: the rest belongs to whoever uses the laptop meanwhile.

    The CPU backend's cache is small by default (32 MiB), so that most of a 2M step's activations
    go back to the system and come back page by page. One that holds a part of them takes 5 to 8 %
    off such a step, one that holds them all another 2 %; but what is kept adds to this process's
    memory, which is to stay near the plan. At 20M and 200M its size makes no difference.
    """
    import mlx.core as mx

    if device() == "cpu":
        mx.set_cache_limit(min(int(_CPU_CACHE_SHARE * planned), _CPU_CACHE))
        return
    mx.set_cache_limit(planned)
    if device() == "metal" and _macos() >= 15:
        mx.set_wired_limit(min(planned, usable_memory()))


def _macos() -> int:
    """The major version of macOS; 0 elsewhere."""
    return int(platform.mac_ver()[0].split(".")[0] or 0)


def host_array(rows: int, columns: int) -> "np.ndarray":
    """Zeros, (rows, columns) float32, C-contiguous, that `on_device` need not copy.

    Where host and device share memory the array is a view of one that MLX owns. With a GPU of its
    own memory the two are apart anyway.
    """
    import mlx.core as mx
    import numpy as np

    from mlxts import transfer

    if device() == "cuda":
        return np.zeros((rows, columns), dtype=np.float32)
    return transfer.view(mx.zeros((rows, columns), dtype=mx.float32))


def on_device(array: "np.ndarray") -> "mx.array":
    """The array as MLX's: the very memory if it is a whole `host_array`, a copy otherwise."""
    import mlx.core as mx
    import numpy as np

    from mlxts import transfer

    owner = getattr(array.base, "obj", None)  # the base of such a view is a buffer of the owner's
    same = isinstance(owner, mx.array) and owner.shape == array.shape
    if same and array.flags.c_contiguous and array.dtype == np.float32:
        return owner
    return transfer.on_device(array)


def matmul_gflops(size: int = 2048, repeats: int = 5) -> float:
    """Measured float32 GFLOP/s of a size^3 matrix product, best of `repeats`."""
    import mlx.core as mx

    from mlxts import transfer

    left, right = mx.random.normal((2, size, size), key=mx.random.key(0))
    transfer.evaluate(left @ right)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        transfer.evaluate(left @ right)
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
        "kernels": "vector" if cpu_jit.enable(probe=False) else "stock",
        "kernel_set": cpu_jit.identity(),
        "tf32": "on" if device() != "cpu" and os.environ.get(_TF32) != "0" else "off",
        "pages": "2 MiB" if huge_pages.in_use() else "as they come",
        "memory_bytes": usable_memory(),
    }


def changes_since(began: dict[str, Any]) -> str:
    """What differs from a machine that `describe` told of, of all that decides the last bits."""
    now = describe()
    return ", ".join(
        f"{name.replace('_', ' ')} {now[name]} instead of {began[name]}"
        for name in _LAST_BITS
        if name in began and began[name] != now[name]
    )
