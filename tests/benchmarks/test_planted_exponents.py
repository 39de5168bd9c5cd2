"""The tabular learner of the pattern market, and the exponents that it finds at a reduced size."""

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr

from benchmarks import planted_exponents
from benchmarks.planted_exponents import excess, ladder, slope


def test_the_learner_says_what_bayes_rule_says() -> None:
    """Against the posterior of the two signs, written out; codes b and c were never met."""
    drift, right = 0.7, float(ndtr(0.7))
    train = pl.DataFrame({"code": [b"a"] * 4, "up": [1.0, 1.0, 0.0, 1.0]})
    unseen = pl.DataFrame({"code": [b"a", b"b", b"c"], "p": [right, 1 - right, right]})
    rising, falling = right**3 * (1 - right), (1 - right) ** 3 * right
    known = (rising * right + falling * (1 - right)) / (rising + falling)

    def divergence(p: float, said: float) -> float:
        return p * np.log(p / said) + (1 - p) * np.log((1 - p) / (1 - said))

    expected = [divergence(right, known), divergence(1 - right, 0.5), divergence(right, 0.5)]
    assert excess(train, unseen, drift) == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("exponent", planted_exponents.EXPONENTS)
@pytest.mark.parametrize("drift", planted_exponents.DRIFTS)
def test_the_data_exponent_is_that_of_the_law(exponent: float, drift: float) -> None:
    steps = ladder(exponent, drift, (1, 4, 16), 4, seed=0)
    assert slope(steps) == pytest.approx(exponent / (1 + exponent), abs=0.05)
