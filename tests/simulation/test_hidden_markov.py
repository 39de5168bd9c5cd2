"""Chains of two states against sums over every path of states."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from mlxts.simulation import hidden_markov
from mlxts.simulation.hidden_markov import Chain

stay = st.floats(0.05, 0.99)


def probability(model: Chain, states: tuple[int, ...], first: np.ndarray) -> float:
    """Of a path of states, whose first has the law `first`."""
    p, move = float(first[states[0]]), np.array(model.move)
    for before, state in pairwise(states):
        p *= move[before, state]
    return p


@settings(max_examples=20, deadline=None)
@given(stay, stay, st.integers(1, 7))
def test_counts_equal_the_sum_over_all_paths_of_states(a: float, b: float, horizon: int) -> None:
    model = Chain(a, b)
    today, tomorrow = np.zeros((2, horizon + 1)), np.zeros((2, horizon + 1))
    for begin, states in product((0, 1), product((0, 1), repeat=horizon)):
        given_today = np.array(model.move)[begin]
        today[begin, sum(states)] += probability(model, states, given_today)
        tomorrow[begin, sum(states)] += probability(model, states, np.eye(2)[begin])
    np.testing.assert_allclose(model.counts(horizon), today, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(model.counts_from(horizon), tomorrow, rtol=1e-9, atol=1e-15)


@settings(max_examples=20, deadline=None)
@given(stay, stay, st.lists(st.floats(-6, 6), min_size=1, max_size=8))
def test_the_filter_equals_the_sum_over_all_paths_of_states(a, b, ratios) -> None:
    model = Chain(a, b)
    first = np.array([1 - model.share, model.share])
    seen = model.posterior(np.array(ratios))
    for t in range(len(ratios)):
        joint = np.zeros(2)
        for states in product((0, 1), repeat=t + 1):
            likelihood = np.exp(sum(r for r, s in zip(ratios, states, strict=False) if s))
            joint[states[-1]] += probability(model, states, first) * likelihood
        assert seen[t] == pytest.approx(joint[1] / joint.sum(), rel=1e-9)


def test_evidence_beyond_all_measure_overflows_nothing() -> None:
    assert Chain(0.9, 0.9).posterior(np.array([1e6, -1e6, 0.0]))[:2].tolist() == [1.0, 0.0]


def test_a_path_has_the_shares_and_the_moves_of_its_chain() -> None:
    model = Chain(0.9, 0.8)
    states = model.path(np.random.default_rng(0).random(200_000))
    assert states.mean() == pytest.approx(model.share, abs=0.01)
    after_0, after_1 = (states[1:][states[:-1] == s].mean() for s in (0, 1))
    assert (after_0, after_1) == pytest.approx((0.1, 0.8), abs=0.01)


def test_the_sign_of_a_sum_is_the_mixture_over_counts() -> None:
    counts = np.array([[0.2, 0.5, 0.3]])
    expected = sum(
        w * norm.cdf((k * 2.0 - (2 - k)) / np.sqrt(k * 9.0 + (2 - k)))
        for k, w in enumerate(counts[0])
    )
    assert hidden_markov.up((-1.0, 2.0), (1.0, 3.0), counts) == pytest.approx([expected])


def test_equal_probabilities_stay_one_number() -> None:
    weights = np.random.default_rng(1).random(1000)
    assert np.unique(hidden_markov.mixed(weights, np.array([0.3, 0.3]))).tolist() == [0.3]
