"""Which BLAS multiplies and on how many threads, seen from fresh processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlxts.platform import blas, device
from tests.platform.children import python

linux = pytest.mark.skipif(sys.platform != "linux", reason="the CPU backend's BLAS is Linux's")
mkl = pytest.mark.skipif(
    blas.load().name != "mkl", reason="needs MKL, which has wheels for x86-64 Linux only"
)


@mkl
def test_importing_the_package_puts_mkl_before_mlx() -> None:
    code = (
        "import mlxts, sys; print('mlx.core' in sys.modules); import mlx.core;"
        "from pathlib import Path; print('libmkl_rt' in Path('/proc/self/maps').read_text())"
    )
    assert python(code).split() == ["False", "True"]


@mkl
def test_matrix_products_run_on_it() -> None:
    """The reference BLAS reaches a few GFLOP/s anywhere; MKL is never that slow."""
    assert device.matmul_gflops(512) > 12


@linux
def test_without_a_fast_blas_there_is_one_clear_warning() -> None:
    code = (
        "import mlxts.platform.blas as b, warnings\n"
        "b._candidates = lambda: iter(())\n"
        "b.load.cache_clear()\n"
        "print(b.load().name); print(b.load().name)"
    )
    said = python(code, MLXTS_KERNELS="stock")
    if "device" in said:
        pytest.skip("a GPU multiplies here")
    assert said.count("reference") == 2
    assert said.count("RuntimeWarning") == 1
    assert "install one" in said


@linux
def test_where_the_library_is_that_for_cuda_no_blas_is_loaded() -> None:
    code = (
        "import mlxts.platform.blas as b\n"
        "b.wheels.owner = lambda: 'mlx-cuda-13'\n"
        "b.load.cache_clear()\n"
        "print(b.load())"
    )
    assert "Blas(name='device', path=None" in python(code)


@linux
def test_a_library_that_cannot_be_loaded_is_passed_over() -> None:
    code = (
        "import mlxts.platform.blas as b; from pathlib import Path\n"
        "real = list(b._candidates())\n"
        "b._candidates = lambda: iter([('mkl', Path('/nowhere/libmkl_rt.so')), *real])\n"
        "b.load.cache_clear()\n"
        "print(b.load().path)"
    )
    assert "/nowhere" not in python(code)


def _threads(tree: int = 1, **environment: str) -> list[str]:
    """What a process of these variables, and `tree` - 1 more generations, say of their threads."""
    code = "import mlxts.platform.blas as b; print(b.load().threads, flush=True)"
    for _ in range(tree - 1):
        # A parent says what its children are to have, and MKL's and OpenMP's variables go along.
        child = f"subprocess.run([sys.executable, '-c', {code!r}], check=True)"
        code = (
            "import mlxts.platform as p, mlxts.platform.blas as b; p.enable();"
            "print(b.load().threads, flush=True);"
            f"import os, subprocess, sys; os.environ['MLXTS_THREADS'] = '3'; {child}"
        )
    outside = {k: v for k, v in os.environ.items() if not k.endswith(("NUM_THREADS", "_THREADS"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**outside, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_threads_can_be_set() -> None:
    assert _threads(MLXTS_THREADS="1") == ["1"]


@linux
def test_a_child_may_have_other_threads_than_its_parent() -> None:
    if blas.load().name not in ("mkl", "openblas"):
        pytest.skip("a GPU multiplies here, or the reference BLAS")
    assert _threads(2, MLXTS_THREADS="2") == ["2", "3"]
    assert _threads(2, OMP_NUM_THREADS="2") == ["2", "3"]


@mkl
@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"OMP_NUM_THREADS": "4,2", "MKL_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "4", "MLXTS_THREADS": ""}, 4),
        ({"OMP_NUM_THREADS": "4", "MLXTS_THREADS": "2"}, 2),
        ({"MLXTS_THREADS": ""}, blas._physical_cores()),
        ({"MLXTS_THREADS": "many"}, blas._physical_cores()),
        ({"OMP_NUM_THREADS": ""}, blas._physical_cores()),
    ],
    ids=str,
)
def test_every_legal_number_of_threads_is_understood(
    environment: dict[str, str], threads: int
) -> None:
    assert _threads(1, **environment) == [str(threads)]


@mkl
@pytest.mark.parametrize("size", [(3, 4, 5), (9, 32, 9), (126, 126, 126), (127, 127, 127)])
def test_products_on_both_sides_of_the_limit_are_right(size: tuple[int, int, int]) -> None:
    import mlx.core as mx
    import numpy as np

    m, k, n = size
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, m, k)).astype("f4"), rng.normal(size=(2, k, n)).astype("f4")
    want = a.astype(np.float64) @ b.astype(np.float64)
    np.testing.assert_allclose(np.array(mx.array(a) @ mx.array(b)), want, rtol=1e-4, atol=1e-4)
    turned = mx.array(np.ascontiguousarray(b.swapaxes(1, 2))).swapaxes(1, 2)
    np.testing.assert_allclose(np.array(mx.array(a) @ turned), want, rtol=1e-4, atol=1e-4)


@mkl
def test_small_products_take_one_thread_and_large_ones_all(tmp_path: Path) -> None:
    """MKL itself says how many threads a call ran on, in its verbose mode."""
    code = (
        "import mlxts.platform as p, mlxts.platform.blas as b; print(b.load().small_serial)\n"
        "p.enable()\n"
        "import mlx.core as mx\n"
        "for n in (40, 400): mx.eval(mx.ones((n, n)) @ mx.ones((n, n)))"
    )
    environment = {"MKL_VERBOSE": "1", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    environment["MKL_DYNAMIC"] = "FALSE"  # else no more than there are cores
    said = python(code, XDG_CACHE_HOME=str(tmp_path), **environment)
    if said.startswith("False"):
        pytest.skip("no compiler here")
    calls = [line for line in said.splitlines() if "SGEMM" in line]
    threads = [
        word.removeprefix("NThr:") for line in calls for word in line.split() if "NThr" in word
    ]
    assert threads == ["1", "2"]
