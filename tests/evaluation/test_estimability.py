"""The gate: enough of both classes, and positives that are more than one event."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.evaluation import estimability


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.integers(1, 8))
def test_clusters_equal_a_loop(labels, horizon):
    clusters, last = 0, None
    for day, positive in enumerate(labels):
        if positive:
            clusters += last is None or day - last > horizon
            last = day
    found = estimability.positive_clusters(
        np.arange(len(labels)), np.array(labels, dtype=float), horizon
    )
    assert found == clusters


def test_two_symbols_on_one_day_are_one_cluster():
    dates, targets = np.array([0, 0, 5, 5]), np.array([1.0, 1.0, 0.0, 1.0])
    assert estimability.positive_clusters(dates, targets, 1) == 1
    assert estimability.positive_clusters(np.array([0, 0, 5, 9]), targets, 1) == 2


@pytest.mark.parametrize(
    ("positives", "spacing", "horizon", "reason"),
    [
        (29, 3, 1, "29 positives and 371 negatives"),
        (30, 3, 1, None),
        (30, 3, 3, "1 separate clusters"),
        (120, 1, 1, "1 separate clusters"),
    ],
)
def test_a_cell_says_why_it_is_not_estimable(positives, spacing, horizon, reason):
    targets = np.zeros(400)
    targets[: positives * spacing : spacing] = 1.0
    found = estimability.obstacle(np.arange(400), targets, horizon)
    assert found is None if reason is None else reason in (found or "")


def test_dates_of_a_week_apart_are_as_many_days_apart():
    dates, targets = np.arange(6), np.array([1, 1, 0, 1, 0, 0])
    assert estimability.positive_clusters(dates, targets, 5, spacing=5) == 2
    assert estimability.positive_clusters(dates, targets, 5, spacing=1) == 1
    assert estimability.positive_clusters(dates, targets, 5, spacing=6) == 3
