"""Small matrix products at small cost, large ones on all threads: a library in front of MKL.

MLX's CPU backend calls `cblas_sgemm` once for every item of a batch, so attention over 9 patches
is thousands of 9 x 32 products a step. MKL spreads each over its threads on some processors, and
waking them takes far longer than the product: five times the whole step when another process
wants a core too. MKL can be given the number of threads call by call. And on one thread its fixed
cost for a call is several times the arithmetic of the smallest, so those are computed by a kernel
of our own. Few rows times a tall matrix (a 200M model's 144 tokens times 1,024 x 4,096 weights)
are handed to MKL in pieces of 512: 196 GFLOP/s on one thread instead of 143. `small_gemm.cpp` is
compiled once for a machine with the compiler that MLX's kernels need anyway.
"""

import ctypes
import hashlib
import os
import subprocess
from pathlib import Path

_SERIAL_BELOW = 2_000_000  # multiply-adds: about 30 microseconds on one core
_OWN_BELOW = 32_768  # from here on MKL is as fast, its fixed cost included
_SOURCE = Path(__file__).with_name("small_gemm.cpp")
_FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")


def put_before(mkl: ctypes.CDLL, compiler: Path, folder: Path) -> bool:
    """Answer `cblas_sgemm` in front of MKL, for every library that is loaded from now on.

    Args:
        mkl: loaded, but not yet with global symbols.
        compiler: a C++ compiler.
        folder: where the library is kept, and built if it is not there.

    Returns:
        Whether it is in place; without a compiler that works nothing changes.
    """
    try:
        path = build(compiler, folder)
        library = ctypes.CDLL(str(path))
        addresses = (mkl.cblas_sgemm, mkl.MKL_Set_Num_Threads_Local)
        library.mlxts_connect(*(ctypes.cast(address, ctypes.c_void_p) for address in addresses))
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except (OSError, AttributeError, subprocess.SubprocessError):
        return False
    return True


def build(compiler: Path, folder: Path) -> Path:
    """The library for this machine, compiled unless `folder` has it.

    Raises:
        OSError, SubprocessError: there is no compiler that works, or no room.
    """
    flags = [*_FLAGS, f"-DSERIAL_BELOW={_SERIAL_BELOW}L", f"-DOWN_BELOW={_OWN_BELOW}L"]
    key = hashlib.sha256(repr(flags).encode() + _SOURCE.read_bytes()).hexdigest()[:12]
    library = folder / f"small_gemm_{key}.so"
    if not library.exists() or not library.stat().st_size:  # a power cut leaves empty files
        folder.mkdir(parents=True, exist_ok=True)
        temporary = library.with_name(f".{library.stem}.{os.getpid()}.so")
        command = [str(compiler), *flags, "-o", str(temporary), str(_SOURCE)]
        subprocess.run(command, capture_output=True, timeout=60, check=True)
        temporary.replace(library)
    return library
