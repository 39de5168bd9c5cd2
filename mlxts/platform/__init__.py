"""Devices, memory, and what makes Linux CPUs fast; nothing here knows of data or models.

What `import mlxts` does to the process, because it cannot wait: on a Linux CPU it loads a fast BLAS
with global symbols (`blas.load`). The moment MLX is loaded the dynamic linker resolves its
`cblas_sgemm`, and a BLAS that comes later is never called. The environment stays as it was.

What `enable` does, because it can: the command line calls it first, and so does whatever builds a
network, so that a notebook's numbers and speed are the command line's. It sets, for this process
and its children,

- OMP_NUM_THREADS and MKL_NUM_THREADS, OMP_WAIT_POLICY and KMP_BLOCKTIME, which MKL reads at its
  first product;
- MLX_ENABLE_TF32, which MLX reads at its first product;
- PATH and TMPDIR, where MLX compiles a kernel, so that it meets our compiler flags (`cpu_jit.py`).
"""

import os
from functools import cache

# MLX's own default is on: CUDA, and Metal from the M5 on, then round the factors of every float32
# product to 10 bits.
TF32 = "MLX_ENABLE_TF32"


def enable(*, probe: bool = False) -> bool:
    """Make this process fast and its float32 products exact; the first time counts.

    Args:
        probe: try the C++ compiler if this machine has not been tried before (a second or two,
            once). Without it an untried compiler is left alone.

    Returns:
        Whether MLX's own kernels are compiled with vector instructions.
    """
    from mlxts.platform import cpu_jit

    _set_variables()
    return cpu_jit.enable(probe=probe)


@cache
def _set_variables() -> None:
    from mlxts.platform import blas

    os.environ.setdefault(TF32, "0")
    blas.limit_threads()


def check_environment() -> None:
    """Refuse variables that people set and that are passed over elsewhere where they are wrong.

    Raises:
        ConfigError: MLXTS_THREADS, MLXTS_KERNELS or MLXTS_HOME is none of the possible values.
    """
    from mlxts import files
    from mlxts.errors import ConfigError
    from mlxts.platform import blas

    threads, chosen = os.environ.get("MLXTS_THREADS", ""), os.environ.get("MLXTS_KERNELS", "")
    if threads and not blas.thread_count("MLXTS_THREADS"):
        raise ConfigError(
            f"MLXTS_THREADS: {threads} is no number of threads; set 1 to {blas.MOST_THREADS}, or "
            "leave it out"
        )
    if files.home().exists() and not files.home().is_dir():
        raise ConfigError(f"MLXTS_HOME: {files.home()} is no folder; name one, or leave it out")
    if chosen not in ("", "stock"):
        raise ConfigError(f"MLXTS_KERNELS: {chosen} is not stock; set that, or leave it out")
