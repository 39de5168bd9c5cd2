"""Split-conformal intervals keep their promise when residuals are exchangeable."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxts.evaluation import conformal


@pytest.mark.parametrize("n", [19, 50, 400])
def test_coverage_is_at_least_what_was_promised_and_hardly_more(n):
    rng = np.random.default_rng(n)
    hits = []
    for _ in range(600):
        residuals = rng.standard_t(3, size=n)
        hits.append(np.abs(rng.standard_t(3, size=50)) <= conformal.half_width(residuals))
    # In expectation the coverage lies in [0.9, 0.9 + 1 / (n + 1)].
    assert 0.9 - 0.012 < np.mean(hits) < 0.9 + 1.0 / (n + 1) + 0.012


def test_too_few_residuals_promise_nothing_finite():
    assert math.isinf(conformal.half_width(np.zeros(8)))
    assert conformal.half_width(np.arange(9.0)) == 8.0


def test_the_price_interval_is_the_return_interval_around_the_close():
    low, high = conformal.price_interval(200.0, 0.01, 0.02)
    assert (low, high) == pytest.approx((200.0 * math.exp(-0.01), 200.0 * math.exp(0.03)))


def test_no_row_has_a_part_in_its_own_width():
    dates, residuals = np.arange(100), np.r_[np.full(50, 1.0), np.full(50, 2.0)]
    found = conformal.held_out(dates, residuals, 5)
    assert (found.half[:50], found.half[50:]) == (pytest.approx(2.0), pytest.approx(1.0))
    # The labels of these days reach over the border: they say nothing of the other half.
    shared = residuals.copy()
    shared[46:54] = 9.0
    np.testing.assert_array_equal(conformal.held_out(dates, shared, 5).half, found.half)
    after = conformal.held_out(dates, residuals, 5, earlier=np.full(30, 3.0))
    assert (set(after.half), after.source) == ({3.0}, "validation residuals")


@given(
    days=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    overlap=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_a_width_comes_from_labels_that_share_no_day_with_its_half(days, overlap, seed):
    dates, residuals = np.array(days), np.random.default_rng(seed).standard_t(3, len(days))
    order = sorted(set(days))
    label = {day: set(range(k + 1, k + overlap + 1)) for k, day in enumerate(order)}
    early = set(order[: len(order) // 2])
    found = conformal.held_out(dates, residuals, overlap)
    for half in (early, set(order) - early):
        shared = set().union(*(label[day] for day in half))
        apart = [day not in half and not label[day] & shared for day in days]
        want = conformal.half_width(residuals[np.array(apart)])
        assert set(found.half[np.isin(dates, list(half))]) <= {want}
