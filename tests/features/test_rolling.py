"""Every rolling operation against a loop over windows."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.features.base_quantities import CLOSE
from mlxts.features.kernels import MIN_HISTORY
from tests.features.bars import path
from tests.features.evaluation import evaluate


def _rank(window: np.ndarray) -> float:
    """Earlier values below the last one, ties half, as a share of the earlier ones in percent."""
    earlier, last = window[:-1], window[-1]
    return 100 * float(np.mean((earlier < last) + 0.5 * (earlier == last)))


OPERATIONS: dict[str, Callable[[np.ndarray], float]] = {
    "mean": np.mean,
    "total": np.sum,
    "highest": np.max,
    "lowest": np.min,
    "median": np.median,
    "std": np.std,
    "percentile": _rank,
}


@pytest.mark.parametrize("name", OPERATIONS)
@given(bars=st.integers(2, 90), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_a_rolling_operation_is_the_loop_over_its_windows(name: str, bars: int, seed: int) -> None:
    series = path(140, seed=seed, flat=0.1)
    values = series["close"].to_numpy()
    least = min(bars, MIN_HISTORY)
    want = [
        OPERATIONS[name](values[max(0, t - bars + 1) : t + 1]) if t + 1 >= least else np.nan
        for t in range(len(values))
    ]
    got = evaluate(series, getattr(CLOSE, name)(bars))
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("bars", [1, 3, 17])
def test_lags_and_changes_look_back_by_their_bars(bars: int) -> None:
    series = path(60, seed=1, flat=0.0)
    values = series["close"].to_numpy()
    before = np.r_[np.full(bars, np.nan), values[:-bars]]
    np.testing.assert_array_equal(evaluate(series, CLOSE.lag(bars)), before)
    np.testing.assert_allclose(evaluate(series, CLOSE.change(bars)), values - before)
