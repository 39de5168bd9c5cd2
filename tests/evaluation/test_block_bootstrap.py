"""Block bootstrap: seeded, paired by date, and honest about overlapping labels."""

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from scipy import stats
from scipy.signal import lfilter
from sklearn.metrics import roc_auc_score

from mlxts.evaluation import metrics
from mlxts.evaluation.block_bootstrap import BlockBootstrap, percentile_interval
from mlxts.evaluation.metrics import Forecast


def draws_of(dates: int, draws: int, *, horizon: int = 1, spacing: int = 1, seed: int = 0):
    """(dates, draws) counts, without the column that counts each date once."""
    return BlockBootstrap(np.arange(dates), horizon, spacing).weights(draws, seed)[:, 1:]


def over(dates: int, horizon: int, spacing: int = 1) -> BlockBootstrap:
    return BlockBootstrap(np.arange(dates), horizon, spacing)


def test_each_draw_holds_as_many_dates_as_there_are():
    weights = BlockBootstrap(np.arange(300), 1).weights(50)
    assert weights.shape == (300, 51)
    assert (weights[:, 0] == 1).all()
    assert (weights.sum(axis=0) == 300).all()


@pytest.mark.parametrize(("count", "block"), [(1, 1), (2, 10), (300, 1), (517, 10), (70_000, 300)])
def test_draws_are_those_of_arch(count, block):
    dates, generator = np.arange(count).astype("datetime64[D]"), np.random.default_rng(3)
    ours = BlockBootstrap(dates, horizon=1, length=block).weights(draws=20, seed=3)
    blocks = BlockBootstrap(dates, horizon=1, length=block).block
    theirs = StationaryBootstrap(blocks, np.arange(count), seed=generator).bootstrap(20)
    for draw, ((indices,), _) in enumerate(theirs, 1):
        assert np.array_equal(ours[:, draw], np.bincount(indices, minlength=count))


def test_all_symbols_of_a_date_are_drawn_together():
    dates = np.tile(np.arange(100), 3)[np.random.default_rng(0).permutation(300)]
    weights = BlockBootstrap(dates, 1, 2).weights(20)
    for day in range(100):
        of_day = weights[dates == day]
        assert (of_day == of_day[0]).all()


def test_draws_are_the_same_for_equal_dates_and_seed_and_differ_by_seed():
    first = BlockBootstrap(np.arange(60), 1).weights(10, seed=3)
    again = BlockBootstrap(np.arange(1000, 1060), 1).weights(10, seed=3)
    other = BlockBootstrap(np.arange(60), 1).weights(10, seed=4)
    assert (first == again).all()
    assert (first != other).any()


def test_a_drawn_date_brings_its_neighbours_along():
    weights = draws_of(400, 400)
    neighbours = np.corrcoef(weights[:-1].ravel(), weights[1:].ravel())[0, 1]
    # A block goes on with probability 1 - 1/22.
    assert neighbours == pytest.approx(1.0 - 1.0 / 22.0, abs=0.02)


def test_a_longer_horizon_makes_longer_blocks():
    assert [over(9, horizon).block for horizon in (1, 22, 63)] == [22, 22, 63]


def test_the_auc_of_every_draw_equals_scikit_learns():
    rng = np.random.default_rng(5)
    targets = (rng.random(250) < 0.2).astype(float)
    forecast = Forecast(np.round(rng.normal(size=250) + targets, 1), targets)
    weights = draws_of(250, 60)
    expected = [roc_auc_score(targets, forecast.logits, sample_weight=w) for w in weights.T]
    np.testing.assert_allclose(metrics.auc(forecast, weights), expected)


def test_many_samples_and_few_give_the_auc_to_the_same_bytes(monkeypatch):
    rng = np.random.default_rng(6)
    targets = (rng.random(300) < 0.3).astype(float)
    forecast = Forecast(np.round(rng.normal(size=300) + targets, 1), targets)
    weights = draws_of(300, 100)
    by_pairs = metrics.auc(forecast, weights)
    monkeypatch.setattr(metrics, "_PAIRS", 0)
    assert metrics.auc(forecast, weights).tobytes() == by_pairs.tobytes()


def test_an_interval_ignores_draws_without_a_figure():
    values = np.r_[np.linspace(0.0, 1.0, 101), np.full(50, np.nan)]
    assert percentile_interval(values) == pytest.approx((0.025, 0.975))
    assert np.isnan(percentile_interval(np.full(5, np.nan))).all()


def test_overlapping_labels_are_covered_by_blocks_and_not_by_single_days():
    """Touch labels of 10 days and an unrelated slow score: the true AUC is one half."""
    rng, horizon, n, trials = np.random.default_rng(7), 10, 800, 80
    block = over(n, horizon).block
    weights = {1: draws_of(n, 250, spacing=22), block: draws_of(n, 250, horizon=horizon)}
    covered = dict.fromkeys(weights, 0)
    for _ in range(trials):
        shocks = rng.normal(size=n + horizon)
        touched = np.lib.stride_tricks.sliding_window_view(shocks, horizon)[:n].max(axis=1)
        score = np.convolve(rng.normal(size=n + 19), np.ones(20), mode="valid")
        forecast = Forecast(score, (touched > 1.8).astype(float))
        for days, drawn in weights.items():
            low, high = percentile_interval(metrics.auc(forecast, drawn))
            covered[days] += low <= 0.5 <= high
    assert covered[1] / trials < 0.7
    assert covered[block] / trials > 0.85


def test_many_dates_without_overlap_need_no_wider_interval():
    assert over(10**6, 1, spacing=22).level == pytest.approx(0.95, abs=1e-5)


def test_few_blocks_and_overlap_make_intervals_wider():
    # Student's t with 19 degrees of freedom, times sqrt(20 / 19).
    assert over(440, 1).level == pytest.approx(0.96823, abs=1e-4)
    student = stats.t.isf(0.025, 19) * np.sqrt(20 / 19)
    assert over(440, 1).level == pytest.approx(2 * stats.norm.cdf(student) - 1)
    levels = [over(440, overlap).level for overlap in (1, 5, 21)]
    assert levels == sorted(levels)
    # Of a single block nothing can be said but what all draws span.
    assert over(440, 44).level < over(44, 44).level == 1.0


def test_an_interval_takes_the_percentiles_of_its_level():
    values = np.r_[9.0, np.random.default_rng(0).normal(size=4000)]
    bootstrap = over(440, 5)
    tail = 0.5 * (1.0 - bootstrap.level)
    assert bootstrap.interval(values) == pytest.approx(
        np.quantile(values[1:], (tail, 1.0 - tail)).tolist()
    )


@pytest.mark.parametrize(("overlap", "block"), [(2, 22), (21, 22), (63, 63)])
def test_the_cost_of_overlap_is_the_triangle_that_a_stationary_bootstrap_damps(overlap, block):
    """Labels l days apart share (1 - l / k) of their days; the sum over all lags is k."""
    kept = [(1 - lag / overlap) * (1 - 1 / block) ** lag for lag in range(1, overlap)]
    student = stats.t.isf(0.025, 19) / stats.norm.isf(0.025)
    assert over(20 * block, overlap).widening == pytest.approx(
        student * np.sqrt(overlap / (1 + 2 * sum(kept)) * 20 / 19)
    )


def test_what_overlap_costs_is_the_ratio_of_the_deviations_of_a_mean():
    """Means of moving sums of 21: the draws' deviation falls short by the factor said."""
    rng, n = np.random.default_rng(1), 20_000
    values = np.convolve(rng.normal(size=n + 20), np.ones(21), mode="valid")
    weights = draws_of(n, 300)
    drawn = (values @ weights / n).std()
    widened, plain = (stats.norm.ppf(0.5 + 0.5 * over(n, k).level) for k in (21, 1))
    assert widened / plain == pytest.approx(21 / np.sqrt(n) / drawn, rel=0.1)


@pytest.mark.parametrize(("overlap", "share"), [(1, 1.0), (21, 1.0 / 21.0)])
def test_n_eff_counts_labels_that_share_their_days_once(overlap, share):
    """Means of moving sums of k shocks know as much as every k-th of them does."""
    rng, n = np.random.default_rng(2), 20_000
    losses = np.convolve(rng.normal(size=n + overlap - 1), np.ones(overlap), mode="valid")
    found = over(n, overlap).effective(losses, losses @ over(n, overlap).weights(300) / n)
    assert found == pytest.approx(n * share, rel=0.2)
    assert found <= n


@pytest.mark.parametrize(("horizon", "spacing", "blocks"), [(1, 1, 22), (5, 5, 5), (21, 21, 2)])
def test_a_block_spans_its_days_whatever_lies_between_two_dates(horizon, spacing, blocks):
    assert over(9, horizon, spacing).block == blocks


def test_losses_that_never_differ_are_worth_their_number():
    assert over(40, 1).effective(np.full(40, 0.5), np.full(9, 0.5)) == 40.0


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_blocks_are_twice_as_long_as_arch_finds_best_for_the_daily_mean(memory):
    shocks = np.random.default_rng(3).normal(size=(600, 2))
    series = lfilter([1.0], [1.0, -memory], shocks, axis=0)
    found = BlockBootstrap.remembering(np.repeat(np.arange(600), 2), series.ravel(), 1)
    best = optimal_block_length(series.mean(axis=1))["stationary"].item()
    assert found.block == int(np.ceil(2.0 * best))
    assert (found.block > 20) == (memory > 0.0)


def test_blocks_are_never_shorter_than_the_horizon_and_nothing_varies_says_nothing():
    noise = np.random.default_rng(0).normal(size=400)
    assert BlockBootstrap.remembering(np.arange(400), noise, 21).block == 21
    assert BlockBootstrap.remembering(np.arange(400), noise, 21, 5).block == 5
    assert BlockBootstrap.remembering(np.arange(400), np.full(400, 0.3), 1).block == 22
