import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxts.platform import cpu_jit, small_gemm

ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112
_INT, _FLOAT, _AT = ctypes.c_int, ctypes.c_float, ctypes.c_void_p
_GEMM = ctypes.CFUNCTYPE(
    None, *[_INT] * 6, _FLOAT, _AT, _INT, _AT, _INT, _FLOAT, _AT, _INT
)  # fmt: skip
_THREADS = ctypes.CFUNCTYPE(_INT, _INT)

Multiply = Callable[..., tuple[np.ndarray, list[str]]]


@pytest.fixture(scope="module")
def multiply(tmp_path_factory: pytest.TempPathFactory) -> Multiply:
    """Our cblas_sgemm in front of a stand-in that writes down what it was asked."""
    compiler = cpu_jit.compiler()
    if compiler is None:
        pytest.skip("no compiler here")
    library = ctypes.CDLL(str(small_gemm.build(compiler, tmp_path_factory.mktemp("gemm"))))
    calls: list[str] = []

    def handed_over(
        layout: int, ta: int, tb: int, m: int, n: int, k: int, alpha: float, a: int, lda: int,
        b: int, ldb: int, beta: float, c: int, ldc: int,
    ) -> None:  # fmt: skip
        calls.append(f"product {m} {n} {k}")
        if ta == tb == AS_IT_IS:
            left, right, out = _at(a, m, k, lda), _at(b, k, n, ldb), _at(c, m, n, ldc)
            out[:] = alpha * left @ right + (beta * out if beta else 0)

    def threads(count: int) -> int:
        calls.append(f"threads {count}")
        return 7

    behind = _GEMM(handed_over), _THREADS(threads)
    library.mlxts_connect(*(ctypes.cast(function, _AT) for function in behind))
    entry = ctypes.cast(library.cblas_sgemm, _GEMM)

    def run(
        m: int, n: int, k: int, *, ta: bool = False, tb: bool = False, alpha: float = 1.0,
        beta: float = 0.0, spare: int = 0, kept: object = behind,
    ) -> tuple[np.ndarray, list[str]]:  # fmt: skip
        a, b = _operands(m, n, k, ta, tb, spare)
        c = np.full((m, n + spare), np.nan, dtype=np.float32)
        calls.clear()
        entry(
            ROW_MAJOR, TRANSPOSED if ta else AS_IT_IS, TRANSPOSED if tb else AS_IT_IS, m, n, k,
            alpha, a.ctypes.data, a.shape[1], b.ctypes.data, b.shape[1], beta, c.ctypes.data,
            n + spare,
        )  # fmt: skip
        return c, list(calls)

    return run


def _at(address: int, rows: int, columns: int, apart: int) -> np.ndarray:
    """The matrix in memory whose rows begin `apart` numbers from one another."""
    held = (rows - 1) * apart + columns
    flat = np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(_FLOAT)), (held,))
    return np.lib.stride_tricks.as_strided(flat, (rows, columns), (4 * apart, 4))


def _operands(
    m: int, n: int, k: int, ta: bool, tb: bool, spare: int
) -> tuple[np.ndarray, np.ndarray]:
    """Two matrices as they lie in memory, with `spare` further columns that must not be read."""
    rng = np.random.default_rng([m, n, k])
    shapes = ((k, m) if ta else (m, k)), ((n, k) if tb else (k, n))
    found = []
    for rows, columns in shapes:
        held = np.full((rows, columns + spare), np.nan, dtype=np.float32)
        held[:, :columns] = rng.standard_normal((rows, columns))
        found.append(held)
    return found[0], found[1]


@given(
    sizes=st.tuples(*[st.integers(1, 33)] * 3).filter(lambda s: s[0] * s[1] * s[2] < 32_768),
    ta=st.booleans(),
    tb=st.booleans(),
    alpha=st.sampled_from([1.0, -0.5]),
    spare=st.integers(0, 3),
)
def test_a_small_product_is_the_product(
    multiply: Multiply,
    sizes: tuple[int, int, int],
    ta: bool,
    tb: bool,
    alpha: float,
    spare: int,
) -> None:
    m, n, k = sizes
    found, calls = multiply(m, n, k, ta=ta, tb=tb, alpha=alpha, spare=spare)
    a, b = (x.astype(np.float64) for x in _operands(m, n, k, ta, tb, 0))
    want = alpha * (a.T if ta else a) @ (b.T if tb else b)
    np.testing.assert_allclose(found[:, :n], want, rtol=1e-5, atol=2e-5)
    assert np.isnan(found[:, n:]).all()
    assert calls == []


def test_a_product_of_64_columns_fits(multiply: Multiply) -> None:
    found, calls = multiply(7, 64, 64, tb=True)
    a, b = (x.astype(np.float64) for x in _operands(7, 64, 64, False, True, 0))
    np.testing.assert_allclose(found, a @ b.T, rtol=1e-5, atol=1e-4)
    assert calls == []


@pytest.mark.parametrize("k", [1, 63, 1024, 1_000_003])
def test_an_inner_product_of_any_length_is_exact_to_single_precision(
    multiply: Multiply, k: int
) -> None:
    found, calls = multiply(1, 1, k, tb=True)
    a, b = (x.astype(np.float64) for x in _operands(1, 1, k, False, True, 0))
    assert found[0, 0] == pytest.approx((a @ b.T).item(), rel=1e-6, abs=1e-6 * k**0.5)
    assert calls == []


@pytest.mark.parametrize(
    ("sizes", "more"),
    [((40, 40, 40), {}), ((2, 65, 9), {}), ((2, 9, 65), {}), ((9, 9, 9), {"beta": 1.0})],
)
def test_what_the_kernel_is_not_for_goes_to_mkl_on_one_thread(
    multiply: Multiply, sizes: tuple[int, int, int], more: dict[str, float]
) -> None:
    _, calls = multiply(*sizes, **more)
    assert calls == ["threads 1", "product {} {} {}".format(*sizes), "threads 7"]


def test_a_large_product_goes_to_mkl_as_it_is(multiply: Multiply) -> None:
    _, calls = multiply(200, 200, 200)
    assert calls == ["product 200 200 200"]


def test_few_rows_times_a_tall_matrix_go_to_mkl_in_pieces(multiply: Multiply) -> None:
    found, calls = multiply(9, 300, 1100, spare=3)
    assert calls == [f"product 9 300 {piece}" for piece in (512, 512, 76)]
    a, b = (x.astype(np.float64) for x in _operands(9, 300, 1100, False, False, 3))
    np.testing.assert_allclose(found[:, :300], a[:, :1100] @ b[:, :300], rtol=1e-4, atol=1e-3)
    assert np.isnan(found[:, 300:]).all()


def test_other_tall_products_are_left_whole(multiply: Multiply) -> None:
    assert multiply(300, 300, 1100)[1] == ["product 300 300 1100"]
    assert multiply(9, 300, 1100, tb=True)[1] == ["product 9 300 1100"]


def test_a_compiler_that_fails_leaves_mkl_alone(tmp_path: Path) -> None:
    assert not small_gemm.put_before(ctypes.CDLL(None), Path("/bin/false"), tmp_path)
    assert list(tmp_path.glob("*.so")) == []
