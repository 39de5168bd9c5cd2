"""The kernels against loops that a reader can check by eye."""

from itertools import permutations
from math import log

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.features import kernels
from mlxts.features.kernels import MAX_AGE, MIN_HISTORY

signs = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=400)
values = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=300)
quick = settings(max_examples=50, deadline=None)


@quick
@given(signs)
def test_a_run_is_counted_from_its_first_bar_and_signed(path: list[float]) -> None:
    expected, length = [], 0
    for place, state in enumerate(path):
        length = length + 1 if place and state == path[place - 1] else 1
        expected.append(state * min(length, MAX_AGE))
    assert kernels.run_length(np.array(path)).tolist() == expected


@quick
@given(signs)
def test_a_signed_age_counts_from_the_last_event_in_its_direction(path: list[float]) -> None:
    expected, bars, direction = [], 0, 0.0
    for event in path:
        bars += 1
        if event:
            bars, direction = 1, event
        expected.append(direction * min(bars, MAX_AGE))
    assert kernels.signed_age(np.array(path)).tolist() == expected


@quick
@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=400))
def test_an_age_is_0_on_the_event_and_the_first_bar_is_one(path: list[float]) -> None:
    expected, bars = [], -1
    for place, event in enumerate(path):
        bars = 0 if event or place == 0 else bars + 1
        expected.append(min(bars, MAX_AGE))
    assert kernels.age(np.array(path)).tolist() == expected


def test_durations_saturate() -> None:
    assert kernels.run_length(np.ones(400)).max() == MAX_AGE
    assert kernels.age(np.zeros(400)).max() == MAX_AGE


@quick
@given(values, st.integers(1, 90), st.booleans())
def test_the_age_of_an_extreme_is_exact_and_ties_are_the_latest(
    path: list[float], window: int, lowest: bool
) -> None:
    result = kernels.extreme_age(window, lowest=lowest)(np.array(path))
    for place in range(len(path)):
        if place < min(window, MIN_HISTORY) - 1:
            assert np.isnan(result[place])
            continue
        recent = path[max(0, place - window + 1) : place + 1][::-1]
        assert result[place] == recent.index(min(recent) if lowest else max(recent))


@quick
@given(values, st.integers(2, 140))
def test_a_percentile_counts_earlier_bars_below_and_half_of_the_ties(
    path: list[float], window: int
) -> None:
    result = kernels.percentile_rank(window)(np.array(path))
    for place, now in enumerate(path):
        if place < min(window, MIN_HISTORY) - 1:
            assert np.isnan(result[place])
            continue
        past = path[max(0, place - window + 1) : place]
        below = sum(then < now for then in past) + 0.5 * sum(then == now for then in past)
        assert result[place] == pytest.approx(100.0 * below / len(past), abs=1e-12)


@quick
@given(values, st.integers(2, 4), st.integers(6, 30))
def test_permutation_entropy_counts_order_patterns(
    path: list[float], order: int, window: int
) -> None:
    result = kernels.permutation_entropy(order, window)(np.array(path))
    patterns = list(permutations(range(order)))
    for place in range(len(path)):
        if place < window - 1:
            assert np.isnan(result[place])
            continue
        recent = path[place - window + 1 : place + 1]
        counts = dict.fromkeys(patterns, 0)
        for start in range(window - order + 1):
            piece = recent[start : start + order]
            counts[tuple(sorted(range(order), key=lambda k: (piece[k], k)))] += 1
        shares = [count / (window - order + 1) for count in counts.values() if count]
        expected = -sum(share * log(share) for share in shares) / log(len(patterns))
        assert result[place] == pytest.approx(expected, abs=1e-12)


@quick
@given(values, st.integers(0, 30), st.integers(0, 30))
def test_a_kernel_starts_where_the_last_of_its_inputs_does(
    path: list[float], first: int, second: int
) -> None:
    lead = max(first, second)
    inputs = [pl.Series([None] * n + path + [0.0] * (lead - n)) for n in (first, second)]
    result = kernels.on_series(lambda one, other: one + other, inputs)
    expected = [None] * lead + (inputs[0] + inputs[1]).to_list()[lead:]
    assert result.to_list() == expected
