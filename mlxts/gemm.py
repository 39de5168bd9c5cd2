"""Small matrix products on one thread, large ones on all: a few lines in front of MKL.

MLX's CPU backend calls `cblas_sgemm` once for every item of a batch, so attention over 9 patches
is thousands of 9 x 32 products a step. MKL spreads each over its threads on some processors, and
waking them takes far longer than the product: five times the whole step when another process
wants a core too. MKL can be told the number of threads call by call; this library, compiled once
for a machine with the compiler that MLX's kernels need anyway, does that.
"""

import ctypes
import hashlib
import os
import subprocess
from pathlib import Path

_SERIAL_BELOW = 2_000_000  # multiply-adds: about 30 microseconds on one core

_SOURCE = """
using Gemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int,
                      float, float*, int);
using Threads = int (*)(int);

static Gemm gemm;
static Threads threads;

extern "C" void mlxts_connect(void* gemm_, void* threads_) {
  gemm = reinterpret_cast<Gemm>(gemm_);
  threads = reinterpret_cast<Threads>(threads_);
}

extern "C" void cblas_sgemm(int layout, int ta, int tb, int m, int n, int k, float alpha,
                            const float* a, int lda, const float* b, int ldb, float beta, float* c,
                            int ldc) {
  const bool serial = 1L * m * n * k < SERIAL_BELOW;
  const int before = serial ? threads(1) : 0;
  gemm(layout, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  if (serial) threads(before);
}
"""


def put_before(mkl: ctypes.CDLL, compiler: Path, folder: Path) -> bool:
    """Answer `cblas_sgemm` in front of MKL, for every library that is loaded from now on.

    Args:
        mkl: loaded, but not yet with global symbols.
        compiler: a C++ compiler.
        folder: where the library is kept, and built if it is not there.

    Returns:
        Whether it is in place; without a compiler that works nothing changes.
    """
    key = hashlib.sha256(f"{_SOURCE}{_SERIAL_BELOW}".encode()).hexdigest()[:12]
    path = folder / f"small_gemm_{key}.so"
    try:
        if not path.exists():
            _build(compiler, path)
        library = ctypes.CDLL(str(path))
        addresses = (mkl.cblas_sgemm, mkl.MKL_Set_Num_Threads_Local)
        library.mlxts_connect(*(ctypes.cast(address, ctypes.c_void_p) for address in addresses))
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except (OSError, AttributeError, subprocess.SubprocessError):
        return False
    return True


def _build(compiler: Path, library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    temporary = library.with_name(f".{library.stem}.{os.getpid()}.so")
    flags = ["-x", "c++", "-O2", "-shared", "-fPIC", f"-DSERIAL_BELOW={_SERIAL_BELOW}L", "-"]
    subprocess.run(
        [str(compiler), *flags, "-o", str(temporary)],
        input=_SOURCE,
        text=True,
        capture_output=True,
        timeout=60,
        check=True,
    )
    temporary.replace(library)
