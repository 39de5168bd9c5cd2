"""Split-conformal intervals keep their promise when residuals are exchangeable."""

import math

import numpy as np
import pytest

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
