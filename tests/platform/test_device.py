"""What the package does to this machine when it is imported, seen from fresh processes."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlxts.platform import device as backend
from mlxts.platform import memory

GIB = 2**30

linux = pytest.mark.skipif(sys.platform != "linux", reason="the CPU backend's BLAS is Linux's")
mkl = pytest.mark.skipif(
    backend.prepare().name != "mkl", reason="needs MKL, which has wheels for x86-64 Linux only"
)


def _python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip() + done.stderr


@mkl
def test_importing_the_package_puts_mkl_before_mlx() -> None:
    code = (
        "import mlxts, sys; print('mlx.core' in sys.modules); import mlx.core;"
        "from pathlib import Path; print('libmkl_rt' in Path('/proc/self/maps').read_text())"
    )
    assert _python(code).split() == ["False", "True"]


@mkl
def test_matrix_products_run_on_it() -> None:
    """The reference BLAS reaches a few GFLOP/s anywhere; MKL is never that slow."""
    assert backend.matmul_gflops(512) > 12


@linux
def test_without_a_fast_blas_there_is_one_clear_warning() -> None:
    code = (
        "import mlxts.platform.device as b, warnings\n"
        "b._candidates = lambda: iter(())\n"
        "b._blas = None\n"
        "print(b.prepare().name); print(b.prepare().name)"
    )
    said = _python(code, MLXTS_KERNELS="stock")
    if "device" in said:
        pytest.skip("a GPU multiplies here")
    assert said.count("reference") == 2
    assert said.count("RuntimeWarning") == 1
    assert "install one" in said


@linux
def test_where_the_library_is_that_for_cuda_no_blas_is_loaded() -> None:
    code = (
        "import mlxts.platform.device as b\n"
        "b.wheels.owner = lambda: 'mlx-cuda-13'\n"
        "b._blas = None\n"
        "print(b.prepare())"
    )
    assert "Blas(name='device', path=None" in _python(code)


@linux
def test_a_library_that_cannot_be_loaded_is_passed_over() -> None:
    code = (
        "import mlxts.platform.device as b; from pathlib import Path\n"
        "real = list(b._candidates())\n"
        "b._candidates = lambda: iter([('mkl', Path('/nowhere/libmkl_rt.so')), *real])\n"
        "b._blas = None\n"
        "print(b.prepare().path)"
    )
    assert "/nowhere" not in _python(code)


def _threads(tree: int = 1, **environment: str) -> list[str]:
    """What a process of these variables, and `tree` - 1 more generations, say of their threads."""
    code = "import mlxts.platform.device as b; print(b.prepare().threads, flush=True)"
    for _ in range(tree - 1):
        # A parent says what its children are to have, and MKL's and OpenMP's variables go along.
        child = f"subprocess.run([sys.executable, '-c', {code!r}], check=True)"
        code = (
            "import mlxts.platform.device as b; print(b.prepare().threads, flush=True);"
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
    if backend.prepare().name not in ("mkl", "openblas"):
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
        ({"MLXTS_THREADS": ""}, backend._physical_cores()),
        ({"MLXTS_THREADS": "many"}, backend._physical_cores()),
        ({"OMP_NUM_THREADS": ""}, backend._physical_cores()),
    ],
    ids=str,
)
def test_every_legal_number_of_threads_is_understood(
    environment: dict[str, str], threads: int
) -> None:
    assert _threads(**environment) == [str(threads)]


def test_the_machine_is_described_in_json() -> None:
    described = json.loads(json.dumps(backend.describe()))
    assert described["device"] in ("cpu", "metal", "cuda")
    assert described["memory_bytes"] > 2**30


def test_memory_is_reported_in_bytes() -> None:
    assert backend.memory()["process"] > 10 * 2**20


def test_a_run_plans_with_less_than_the_machine_has() -> None:
    assert 0 < backend.available_memory() <= backend.usable_memory()
    if backend.device() == "cpu":
        assert backend.usable_memory() < memory.total()


@pytest.mark.parametrize(
    ("said", "usable", "available"),
    [
        ({"total_memory": 80 * GIB, "free_memory": 20 * GIB}, 76.0, 20.0),
        ({"total_memory": 80 * GIB, "free_memory": 80 * GIB}, 76.0, 76.0),
    ],
)
def test_a_gpu_is_asked_for_its_own_memory(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, int], usable: float, available: float
) -> None:
    import mlx.core as mx

    monkeypatch.setattr(mx, "device_info", lambda: said)
    assert backend.usable_memory() / GIB == pytest.approx(usable)
    assert backend.available_memory() / GIB == pytest.approx(available, abs=0.2)


@pytest.mark.parametrize(("free", "available"), [(60, 48.0), (20, 18.0 + 2), (0, 2.0)])
def test_a_gpu_that_shares_the_machine_leaves_other_programs_what_they_have(
    monkeypatch: pytest.MonkeyPatch, free: int, available: float
) -> None:
    import mlx.core as mx

    said = {"max_recommended_working_set_size": 48 * GIB, "memory_size": 64 * GIB}
    monkeypatch.setattr(backend, "device", lambda: "metal")
    monkeypatch.setattr(mx, "device_info", lambda: said)
    monkeypatch.setattr(mx, "get_active_memory", lambda: GIB)
    monkeypatch.setattr(mx, "get_cache_memory", lambda: GIB)
    monkeypatch.setattr(memory, "available", lambda: free * GIB)
    assert backend.usable_memory() == 48 * GIB
    assert backend.available_memory() / GIB == available


@pytest.mark.parametrize(
    ("environment", "tf32"),
    [({}, ["0", "off"]), ({"MLX_ENABLE_TF32": "1"}, ["1", "on"])],
    ids=["left alone", "asked for"],
)
def test_products_are_rounded_to_tf32_only_where_that_was_asked_for(
    environment: dict[str, str], tf32: list[str]
) -> None:
    code = (
        "import os, sys, mlxts.platform.device as b\n"
        "print(os.environ['MLX_ENABLE_TF32'], 'mlx.core' in sys.modules)\n"
        "b.device = lambda: 'cuda'; print(b.describe()['tf32'])"
    )
    outside = {name: value for name, value in os.environ.items() if name != "MLX_ENABLE_TF32"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**outside, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    variable, loaded, said = done.stdout.split()
    assert ([variable, said], loaded) == (tf32, "False")


def test_a_run_that_goes_on_in_tf32_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    began = {**backend.describe(), "tf32": "off"}
    monkeypatch.setenv("MLX_ENABLE_TF32", "1")
    if backend.device() == "cpu":
        assert backend.changes_since(began) == ""  # no CPU knows TF32
    now = {**began, "tf32": "on"}
    monkeypatch.setattr(backend, "describe", lambda: now)
    assert backend.changes_since(began) == "tf32 on instead of off"


@pytest.mark.parametrize(
    ("device", "macos", "limits"),
    [
        ("metal", 15, {"cache": 2 * GIB, "wired": 2 * GIB}),
        ("metal", 14, {"cache": 2 * GIB}),
        ("cuda", 0, {"cache": 2 * GIB}),
        ("cpu", 0, {"cache": GIB // 4}),
    ],
)
def test_what_mlx_may_keep_is_limited(
    monkeypatch: pytest.MonkeyPatch, device: str, macos: int, limits: dict[str, int]
) -> None:
    import mlx.core as mx

    told: dict[str, int] = {}
    monkeypatch.setattr(backend, "device", lambda: device)
    monkeypatch.setattr(backend, "_macos", lambda: macos)
    monkeypatch.setattr(mx, "set_cache_limit", lambda limit: told.update(cache=limit))
    monkeypatch.setattr(mx, "set_wired_limit", lambda limit: told.update(wired=limit))
    backend.limit_memory(2 * GIB)
    assert told == limits


def test_the_version_of_macos_is_a_number_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backend._macos() >= 0
    monkeypatch.setattr("platform.mac_ver", lambda: ("15.3.1", ("", "", ""), "arm64"))
    assert backend._macos() == 15


def test_no_more_is_wired_than_the_system_lets_a_process_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import mlx.core as mx

    told: list[int] = []
    monkeypatch.setattr(backend, "device", lambda: "metal")
    monkeypatch.setattr(backend, "_macos", lambda: 26)
    monkeypatch.setattr(mx, "device_info", lambda: {"max_recommended_working_set_size": GIB})
    monkeypatch.setattr(mx, "set_cache_limit", lambda limit: None)
    monkeypatch.setattr(mx, "set_wired_limit", told.append)
    backend.limit_memory(2 * GIB)
    assert told == [GIB]


def test_host_and_device_share_one_array() -> None:
    import mlx.core as mx
    import numpy as np

    if backend.device() == "cuda":
        pytest.skip("the memory of this device is its own")
    gc.collect()  # arrays of tests before this one that only a cycle holds would go in between
    before = mx.get_active_memory()
    host = backend.host_array(500, 300)
    host[:] = np.arange(150_000).reshape(500, 300)
    one, other = backend.on_device(host), backend.on_device(host)
    assert mx.get_active_memory() - before == host.nbytes
    assert mx.sum(one[3]).item() == host[3].sum()
    host[3] = 0
    assert mx.all(other[3] == 0).item()
    assert np.shares_memory(np.asarray(one), host)


def test_an_array_from_elsewhere_is_copied_to_the_device() -> None:
    import mlx.core as mx
    import numpy as np

    for host in (np.ones((3, 4), dtype=np.float32), backend.host_array(6, 4)[:3] + 1):
        copied = backend.on_device(host)
        host[:] = 0
        assert mx.all(copied == 1).item()
    part = backend.host_array(6, 4)[1:4]
    assert backend.on_device(part).shape == (3, 4)


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
        "import mlxts.platform.device as b; print(b.prepare().small_serial)\n"
        "import mlx.core as mx\n"
        "for n in (40, 400): mx.eval(mx.ones((n, n)) @ mx.ones((n, n)))"
    )
    environment = {"MKL_VERBOSE": "1", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    environment["MKL_DYNAMIC"] = "FALSE"  # else no more than there are cores
    said = _python(code, XDG_CACHE_HOME=str(tmp_path), **environment)
    if said.startswith("False"):
        pytest.skip("no compiler here")
    calls = [line for line in said.splitlines() if "SGEMM" in line]
    threads = [
        word.removeprefix("NThr:") for line in calls for word in line.split() if "NThr" in word
    ]
    assert threads == ["1", "2"]
