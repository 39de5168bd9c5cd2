"""The pattern market: its frequencies, its codes, and the laws that follow from them."""

from datetime import date

import numpy as np
import pytest
from scipy.stats import chisquare, kstest, norm

from mlxts.data import calendar
from mlxts.data.sources.base import PLANTED, oracle_column
from mlxts.simulation import bayes_scores, zipf
from mlxts.simulation.markets import make
from mlxts.simulation.zipf import ZipfPatterns

DAYS = calendar.sessions(date(1960, 1, 1), date(2020, 12, 31))
MANY = np.random.default_rng(0).random((400_000, 2))


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_patterns_have_zipf_frequencies_and_come_in_pairs(exponent: float) -> None:
    patterns = ZipfPatterns(exponent).patterns(MANY)
    share = zipf.shares(exponent)
    assert share.sum() == pytest.approx(1.0)
    assert share[0] / share[9] == pytest.approx(10 ** (1 + exponent))
    expected = np.append(np.repeat(share[:50], 2) / 2, share[50:].sum()) * len(MANY)
    seen = np.bincount(np.minimum(patterns, 100), minlength=101)
    assert chisquare(seen, expected).pvalue > 1e-3


def test_one_of_a_pair_rises_and_no_one_knows_which() -> None:
    ranks = np.arange(20_000)
    first, second = (zipf.signs(2 * ranks + side, seed=3) for side in (0, 1))
    np.testing.assert_array_equal(first, -second)
    assert abs(first.mean()) < 4 / np.sqrt(len(ranks))
    assert abs(np.mean(first * zipf.signs(2 * ranks, seed=4))) < 4 / np.sqrt(len(ranks))
    assert abs(np.mean(first[1:] * first[:-1])) < 4 / np.sqrt(len(ranks))


def test_codes_are_normal_distinct_and_say_nothing_about_the_sign() -> None:
    patterns = np.arange(20_000)
    codes = zipf.codes(patterns, seed=3)
    assert kstest(codes.ravel()[:100_000], norm.cdf).pvalue > 1e-3
    assert len(np.unique(codes, axis=0)) == len(patterns)
    assert np.abs(np.corrcoef(codes.T) - np.eye(zipf.CODE)).max() < 5 / np.sqrt(len(patterns))
    related = zipf.signs(patterns, seed=3) @ codes / len(patterns)
    assert np.abs(related).max() < 4.5 / np.sqrt(len(patterns))
    np.testing.assert_array_equal(zipf.codes(patterns[[7, 7, 9]], seed=3), codes[[7, 7, 9]])


def test_all_symbols_trade_in_one_market() -> None:
    """The same code means the same thing on every path of a seed, and not on another's."""
    model, days = ZipfPatterns(), DAYS[:3000]
    meanings = []
    for seed, stream in ((0, 0), (0, 1), (1, 0)):
        bars = model.simulate(days, seed=seed, stream=stream)
        rises = (bars[oracle_column("direction", 1)] > 0.5).to_list()
        codes = map(bytes, bars[PLANTED].to_numpy())
        meanings.append(dict(zip(codes, rises, strict=True)))
    one, other, elsewhere = meanings
    common = set(one) & set(other)
    assert len(common) > 50
    assert all(one[code] == other[code] for code in common)
    assert not set(one) & set(elsewhere)


def test_the_code_of_today_decides_the_drift_of_tomorrow() -> None:
    bars = ZipfPatterns(drift=3.0).simulate(DAYS, seed=0)
    tomorrow = (bars["close"] / bars["open"]).log().to_numpy()[1:]
    said = np.where(bars[oracle_column("direction", 1)].to_numpy()[:-1] > 0.5, 1.0, -1.0)
    residual = (tomorrow / 0.01 - 3.0 * said) / 1.0
    assert kstest(residual, norm.cdf).pvalue > 1e-3


def test_the_law_is_known_in_closed_form() -> None:
    exact = make("zipf", {"drift": 0.5, "exponent": 1.0}).exact()
    assert exact["exponents"] == {"capacity": 1.0, "data": 0.5}
    q, said = norm.cdf(0.5), exact["bayes_of_the_law"]["direction_h1"]
    assert said["log_loss"] == pytest.approx(-q * np.log(q) - (1 - q) * np.log(1 - q))
    assert said["auc"] == pytest.approx(q)
    assert said["base_rate"] == pytest.approx(0.5)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_knowing_the_first_patterns_loses_a_power_of_their_number(exponent: float) -> None:
    model = ZipfPatterns(exponent)
    n = np.array([10, 30, 100, 300])
    excess = model.capacity_excess(n)
    slope = np.polyfit(np.log(n + 0.5), np.log(excess), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.03)
    # The same from draws: 1/2 beyond the first 30 ranks, the truth on them.
    patterns = model.patterns(MANY)
    known = patterns < 2 * 30
    lost = np.log(2) - bayes_scores.entropy(norm.cdf(np.full(1, 0.5)))[0]
    assert np.mean(~known) * lost == pytest.approx(excess[1], rel=0.02)
