"""Calibration error against its definition, reliability against scikit-learn."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from mlxts.evaluation import calibration
from mlxts.evaluation.block_bootstrap import BlockBootstrap

modest = settings(max_examples=60, deadline=None)
unit = st.floats(0.0, 1.0)


@modest
@given(st.lists(st.tuples(unit, st.booleans(), st.integers(0, 3)), min_size=1, max_size=40))
def test_the_expected_error_equals_a_loop_over_bins(samples):
    probabilities = np.array([p for p, _, _ in samples])
    targets = np.array([float(y) for _, y, _ in samples])
    weights = np.array([float(w) for *_, w in samples])
    weights[0] += 1.0
    total, last = 0.0, calibration.BINS - 1
    for number in range(last + 1):
        inside = [
            min(int(p * calibration.BINS), calibration.BINS - 1) == number for p, *_ in samples
        ]
        weight = weights[inside].sum()
        if weight:
            observed = np.average(targets[inside], weights=weights[inside])
            predicted = np.average(probabilities[inside], weights=weights[inside])
            total += weight * abs(observed - predicted)
    draws = np.column_stack([weights, 2.0 * weights])
    found = calibration.expected_error(probabilities, targets, draws)
    np.testing.assert_allclose(found, [total / weights.sum()] * 2, atol=1e-12)


def test_a_certain_forecast_that_is_wrong_is_as_wrong_as_can_be():
    found = calibration.expected_error(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.ones((2, 1)))
    np.testing.assert_allclose(found, [1.0])


def test_the_reliability_diagram_equals_scikit_learns():
    rng = np.random.default_rng(0)
    probabilities = rng.beta(2, 6, size=700)
    targets = (rng.random(700) < probabilities).astype(float)
    weights = BlockBootstrap(np.arange(700), 1).weights(200)[:, 1:]
    diagram = calibration.reliability(probabilities, targets, weights, bins=7)
    observed, predicted = calibration_curve(targets, probabilities, n_bins=7, strategy="quantile")
    np.testing.assert_allclose(diagram.observed, observed)
    np.testing.assert_allclose(diagram.predicted, predicted)
    assert diagram.counts.tolist() == [100] * 7
    assert ((diagram.low <= diagram.observed) & (diagram.observed <= diagram.high)).all()


def test_equal_predictions_are_never_parted():
    probabilities, weights = np.full(50, 0.3), np.ones((50, 3))
    diagram = calibration.reliability(probabilities, np.r_[np.ones(20), np.zeros(30)], weights)
    assert diagram.counts.tolist() == [50]
    assert diagram.observed.tolist() == [0.4]


def test_the_interval_of_a_bin_is_over_the_draws_that_hold_a_sample_of_it():
    rng, groups = np.random.default_rng(1), 3
    bins = np.repeat(np.arange(groups), 8)
    targets = rng.normal(size=len(bins))
    weights = rng.binomial(1, 0.15, size=(len(bins), 60)).astype(float)
    diagram = calibration.reliability(0.1 + 0.4 * bins, targets, weights, bins=groups, level=0.8)
    for number in range(groups):
        own, happened = weights[bins == number], targets[bins == number]
        held = [np.average(happened, weights=draw) for draw in own.T if draw.any()]
        assert 0 < len(held) < 60
        ends = diagram.low[number], diagram.high[number]
        np.testing.assert_allclose(ends, np.quantile(held, (0.1, 0.9)))
