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
    assert found.source == "residuals of the other half of these rows"
    assert (found.half[:50], found.half[50:]) == (pytest.approx(2.0), pytest.approx(1.0))
    # The labels of these days reach over the border: they say nothing of the other half.
    shared = residuals.copy()
    shared[46:54] = 9.0
    np.testing.assert_array_equal(conformal.held_out(dates, shared, 5).half, found.half)
    after = conformal.held_out(dates, residuals, 5, earlier=np.full(30, 3.0))
    assert (set(after.half), after.source) == ({3.0}, "validation residuals")


@given(st.integers(9, 300), st.integers(0, 99))
def test_the_half_width_is_a_residual_of_that_rank(n, seed):
    residuals = np.random.default_rng(seed).standard_t(3, n)
    rank = math.ceil((n + 1) * 0.9)
    assert conformal.half_width(residuals) == sorted(abs(residuals))[rank - 1]


@given(days=st.integers(2, 50), overlap=st.integers(1, 6), symbols=st.integers(1, 2))
def test_a_width_comes_from_labels_that_share_no_day_with_its_half(days, overlap, symbols):
    dates = np.repeat(np.arange(days) * 3, symbols)
    # The nearer to the border, the larger: a row too many or too few always shows.
    residuals = 100.0 - abs(np.arange(len(dates)) - len(dates) // 2 + 0.4)
    label = {3 * k: set(range(k + 1, k + overlap + 1)) for k in range(days)}
    early = {3 * k for k in range(days // 2)}
    found = conformal.held_out(dates, residuals, overlap)
    for half in (early, set(label) - early):
        shared = set().union(*(label[day] for day in half))
        apart = [day not in half and not label[day] & shared for day in dates]
        want = conformal.half_width(residuals[np.array(apart)])
        assert set(found.half[np.isin(dates, list(half))]) == {want}
