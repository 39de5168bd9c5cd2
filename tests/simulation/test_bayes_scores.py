"""Exact figures of a list of probabilities against sums over every outcome."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mlxts.simulation import bayes_scores

probabilities = st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.7, 0.7001, 1.0]), min_size=2, max_size=8)


@settings(max_examples=20, deadline=None)
@given(probabilities)
def test_the_log_loss_is_the_mean_over_all_outcomes(listed: list[float]) -> None:
    p = np.array(listed)
    expected = 0.0
    for y in product((0, 1), repeat=len(p)):
        chance = float(np.prod(np.where(y, p, 1 - p)))
        if chance:
            expected -= chance * float(np.log(np.where(y, p, 1 - p)).mean())
    assert bayes_scores.log_loss(p) == pytest.approx(expected, abs=1e-9)


def test_the_auc_is_that_of_many_draws() -> None:
    rng = np.random.default_rng(2)
    p = np.repeat([0.1, 0.35, 0.35, 0.8], 50_000)
    y = rng.random(len(p)) < p
    assert bayes_scores.auc(p) == pytest.approx(roc_auc_score(y, p), abs=0.005)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=12))
def test_the_auc_is_the_sum_over_pairs(listed: list[float]) -> None:
    """A positive of probability p against an independent negative of probability q."""
    p = np.array(listed)
    wins = (p[:, None] > p) + 0.5 * (p[:, None] == p)
    pairs = p[:, None] * (1 - p)
    assert bayes_scores.auc(p) == pytest.approx((wins * pairs).sum() / pairs.sum())


def test_weights_count_rows() -> None:
    p, weights = np.array([0.2, 0.6]), np.array([3.0, 1.0])
    many = np.array([0.2, 0.2, 0.2, 0.6])
    assert bayes_scores.figures(p, weights) == pytest.approx(bayes_scores.figures(many))


def test_a_coin_has_nothing_to_rank_and_certainty_nothing_to_lose() -> None:
    coin = bayes_scores.figures(np.full(10, 0.5))
    assert coin == pytest.approx({"base_rate": 0.5, "log_loss": np.log(2), "auc": 0.5})
    assert bayes_scores.figures(np.array([0.0, 1.0])) == {
        "base_rate": 0.5,
        "log_loss": 0.0,
        "auc": 1.0,
    }
    assert bayes_scores.figures(np.ones(3)) == {"base_rate": 1.0, "log_loss": 0.0, "auc": None}
