"""The device that MLX computes on: its memory, its arrays, and what this machine is."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlxts.platform import TF32, blas, cpu_jit, enable, huge_pages
from mlxts.platform import memory as machine_memory

if TYPE_CHECKING:
    import mlx.core as mx
    import numpy as np

Device = Literal["metal", "cuda", "cpu"]

_CPU_CACHE = 256 * 2**20  # bytes of free buffers that a run on the CPU backend keeps
_LEAST_LIMIT = 2**30  # bytes: a model that needs less than this must never wait
_CPU_CACHE_SHARE = 0.3  # of what a run plans to need

# Of what `describe` says, what decides the last bits.
_LAST_BITS = (
    "device", "device_name", "mlx", "blas", "threads", "small_products", "kernels", "kernel_set",
    "tf32",
)  # fmt: skip


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


def limit_memory(planned: int, largest: int) -> None:
    """Tell MLX what a run of `planned` bytes may keep, and from when on it waits.

    MLX runs ahead of the device: it allocates for kernels that will run when many others have
    freed what they read. With more than `largest` bytes allocated it waits for the device instead.

    Where a GPU shares the machine's memory:

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

    mx.set_memory_limit(max(largest, _LEAST_LIMIT))
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
    """This machine, as in run.json and `mlxts doctor`."""
    library, vector = blas.load(), enable()
    return {
        "device": device(),
        "device_name": device_name(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "mlx": version("mlx"),
        "blas": library.name,
        "blas_path": library.path and Path(library.path).name,
        "threads": library.threads,
        "small_products": "one thread" if library.small_serial else "as the BLAS likes",
        "kernels": "vector" if vector else "stock",
        "kernel_set": cpu_jit.identity(),
        "tf32": "on" if device() != "cpu" and os.environ.get(TF32) != "0" else "off",
        "pages": "2 MiB" if huge_pages.in_use() else "as they come",
        "memory_bytes": usable_memory(),
    }


def changes_since(began: dict[str, Any]) -> str:
    """The differences from a machine as of `describe`, of all that decides the last bits."""
    now = describe()
    return ", ".join(
        f"{name.replace('_', ' ')} {now[name]} instead of {began[name]}"
        for name in _LAST_BITS
        if name in began and began[name] != now[name]
    )
