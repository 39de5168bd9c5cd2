"""Dates are drawn once for all, seeds within a rung, and the spread is that of the real thing."""

from dataclasses import replace

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap

from mlxts.scaling import bootstrap, synthetic
from mlxts.scaling.loss_table import LossTable

FLAT = np.full(synthetic.RUNGS, 0.45)


def table(**changes) -> LossTable:
    return synthetic.table(FLAT, np.random.default_rng(0), **changes)


def test_row_zero_is_the_table_itself() -> None:
    losses = table(days=120)
    (weights,) = bootstrap.date_weights([losses], draws=10)
    drawn = bootstrap.draw(losses, weights)
    np.testing.assert_allclose(drawn.runs[0], losses.losses.mean(axis=0))
    means = losses.losses.reshape(120, synthetic.RUNGS, -1).mean(axis=(0, 2))
    np.testing.assert_allclose(drawn.rungs[0], means)
    assert drawn.har[0] == pytest.approx(losses.har.mean())


def test_what_all_runs_share_leaves_differences_alone() -> None:
    losses = table(days=120)
    shock = np.random.default_rng(1).normal(size=(120, 1))
    moved = LossTable(**{**losses.__dict__, "losses": losses.losses + shock})
    (weights,) = bootstrap.date_weights([losses], draws=50)
    one, other = bootstrap.draw(losses, weights), bootstrap.draw(moved, weights)
    np.testing.assert_allclose(np.diff(one.rungs, axis=1), np.diff(other.rungs, axis=1), atol=1e-12)


def test_dates_are_drawn_as_arch_draws_them() -> None:
    losses = table(days=90)
    (weights,) = bootstrap.date_weights([losses], draws=20, seed=4)
    sampler = StationaryBootstrap(losses.bootstrap.block, losses.har, seed=np.random.default_rng(4))
    means = [sample[0][0].mean() for sample in sampler.bootstrap(20)]
    np.testing.assert_allclose(bootstrap.draw(losses, weights).har[1:], means)


def test_cells_share_the_draws_of_the_dates_they_share() -> None:
    long, short = table(days=100), table(days=60)
    weights = bootstrap.date_weights([long, short], draws=10)
    np.testing.assert_array_equal(weights[0][:60], weights[1])


def test_seeds_vary_as_much_as_independent_seeds_do() -> None:
    shares = bootstrap.seed_shares(np.repeat([0, 1], 4), 20_000, np.random.default_rng(0))
    np.testing.assert_allclose(shares.sum(axis=2), 1.0)
    runs = np.array([1.0, 2.0, 4.0, 7.0, 0.0, 0.0, 1.0, 1.0])
    spread = (shares[1:] @ runs).std(axis=0)
    expected = [np.std(part, ddof=1) / 2.0 for part in (runs[:4], runs[4:])]
    np.testing.assert_allclose(spread, expected, rtol=0.03)


def test_a_single_seed_borrows_the_luck_of_others() -> None:
    shares = bootstrap.seed_shares(np.array([0, 0, 0, 1]), 20_000, np.random.default_rng(0))
    np.testing.assert_allclose(shares.sum(axis=2), 1.0)
    runs = np.array([1.0, 2.0, 6.0, 10.0])
    lone = (shares[1:] @ runs)[:, 1]
    assert lone.mean() == pytest.approx(10.0, abs=0.1)
    assert lone.std() == pytest.approx(np.std(runs[:3], ddof=1), rel=0.03)


def test_without_any_repeated_seed_it_says_so() -> None:
    losses = table(seeds=1, days=60)
    (weights,) = bootstrap.date_weights([losses], draws=5)
    assert not bootstrap.draw(losses, weights).seed_noise


def test_widened_draws_lie_that_much_further_from_the_table_and_stay_positive() -> None:
    losses = table(days=90, seeds=1)
    (weights,) = bootstrap.date_weights([losses], draws=30)
    plain, wide = (bootstrap.draw(losses, weights, widen=by) for by in (1.0, 1.5))
    np.testing.assert_allclose(wide.rungs - plain.rungs[0], 1.5 * (plain.rungs - plain.rungs[0]))
    np.testing.assert_allclose(wide.har - plain.har[0], 1.5 * (plain.har - plain.har[0]))
    assert (bootstrap.draw(losses, weights, widen=1e3).rungs > 0.0).all()


def test_at_each_origin_the_seeds_of_a_size_are_drawn_anew() -> None:
    """Ten origins of three seeds are thirty networks: luck averages out as theirs does."""
    rng, origins, seeds, days = np.random.default_rng(2), 10, 3, 30
    luck = rng.normal(size=(origins, seeds))
    losses = table(days=origins * days, seeds=seeds)
    own = 10.0 + np.repeat(luck, days, axis=0)
    planted = np.tile(own, (1, synthetic.RUNGS))
    of_days = np.repeat(np.arange(origins), days)
    cell = replace(losses, losses=planted, origins=of_days)
    drawn = bootstrap.draw(cell, np.ones((len(of_days), 8001)))
    expected = np.sqrt((luck.var(axis=1, ddof=1) / seeds).sum()) / origins
    assert drawn.rungs[0] == pytest.approx(planted[:, :seeds].mean())
    np.testing.assert_allclose(drawn.rungs[1:].std(axis=0), expected, rtol=0.05)
