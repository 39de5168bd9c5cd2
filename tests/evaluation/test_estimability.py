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
    dates, targets = np.arange(6), np.array([1.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    assert estimability.positive_clusters(dates, targets, 5, spacing=5) == 2
    assert estimability.positive_clusters(dates, targets, 5, spacing=1) == 1
    assert estimability.positive_clusters(dates, targets, 5, spacing=6) == 3


@pytest.mark.parametrize(("clusters", "estimable"), [(9, False), (10, True)])
@pytest.mark.parametrize(("horizon", "spacing"), [(3, 1), (16, 5)])
def test_ten_clusters_are_enough_and_nine_are_not(clusters, estimable, horizon, spacing):
    """Each of four positives on successive dates, three dates apart from the next."""
    targets = np.tile([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0], clusters)
    targets = np.r_[targets, np.zeros(30)]
    found = estimability.obstacle(np.arange(len(targets)), targets, horizon, spacing)
    assert found == (None if estimable else "9 separate clusters of positives, 10 are needed")
