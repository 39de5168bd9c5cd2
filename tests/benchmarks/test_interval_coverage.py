"""The simulated windows are what they say, and intervals of overlapping labels hold, reduced."""

import numpy as np
import pytest

from benchmarks.interval_coverage import Case, coverage, window


def test_labels_are_touches_within_the_horizon() -> None:
    """Without moving volatility, as often as the reflection principle says."""
    case = Case(persistence=0.5, spread=1e-9, horizon=4, barrier=0.0095, days=100_000)
    forecast = window(case, case.days, np.random.default_rng(0))
    # 2 Phi(-b / (v sqrt(H))) with b = v.
    assert forecast.targets.mean() == pytest.approx(2 * 0.308538, abs=0.01)


def test_neighbours_share_their_labels() -> None:
    case = Case(persistence=0.9, spread=0.45, horizon=21, barrier=0.05, days=20_000)
    y = window(case, case.days, np.random.default_rng(1)).targets
    assert np.corrcoef(y[:-1], y[1:])[0, 1] > 0.8


def test_single_days_fail_and_our_intervals_hold() -> None:
    case = Case(persistence=0.9, spread=0.45, horizon=21, barrier=0.05, days=500)
    found = coverage(case, 200, draws=300)
    for truth in ("window", "history"):
        single, blocks, ours = (found[f"{kind}_{truth}"] for kind in ("single", "blocks", "ours"))
        assert single < 0.6
        assert single < blocks < ours
        # Of 200 windows: within three standard errors of 92 to 98 %.
        assert 0.87 < ours < 0.995
    assert 0.87 < found["held_difference"] < 0.995
