"""The paired test: against its formula written out, and on forecasts whose truth is known."""

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from mlxts.errors import DataError
from mlxts.evaluation import paired_comparison, power
from mlxts.protocol import TASKS, TIMESCALES
from mlxts.runs.scored_task import ScoredTask

TASK = TASKS["threshold_1pct"]


def days(count: int) -> list[date]:
    return [date(2010, 1, 1) + timedelta(days=day) for day in range(count)]


def losses(differences: np.ndarray) -> pl.DataFrame:
    """Rows of `pair` whose differences are those of an array, dates × assets; NaN: no row."""
    targets = np.random.default_rng(0).integers(0, 2, size=differences.shape)
    tables = [
        pl.DataFrame(
            {
                "date": days(len(differences)),
                "symbol": f"A{asset}",
                "target": targets[:, asset].astype(float),
                "a": 0.5 + differences[:, asset],
                "b": 0.5,
            }
        )
        for asset in range(differences.shape[1])
    ]
    return pl.concat(tables).filter(pl.col("a").is_not_nan()).sort("date", "symbol")


def forecast(logits: np.ndarray, targets: np.ndarray, symbol: str = "A") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "date": days(len(logits)),
            "symbol": symbol,
            "canonical": True,
            "target": targets.astype(float),
            "logit": logits,
        }
    )


def written_out(values: list[float], lags: int) -> tuple[float, float]:
    """Diebold and Mariano's mean and standard error with Newey and West's variance, sum by sum."""
    n = len(values)
    center = sum(values) / n
    variance = sum((v - center) ** 2 for v in values) / n
    for lag in range(1, lags + 1):
        covariance = 0.0
        for t in range(lag, n):
            covariance += (values[t] - center) * (values[t - lag] - center)
        variance += 2.0 * (1.0 - lag / (lags + 1.0)) * covariance / n
    return center, math.sqrt(variance / n)


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_statistic_is_that_of_the_formula_on_the_dates_means_over_assets(horizon):
    rng = np.random.default_rng(3)
    differences = rng.normal(0.01, 0.1, size=(200, 3))
    differences[:60, 2] = np.nan  # an asset that began later
    found = paired_comparison.compare(losses(differences), TASK, horizon, draws=200)
    means = [sum(v for v in row if v == v) / sum(v == v for v in row) for row in differences]
    center, error = written_out(means, found.lags)
    assert found.difference == pytest.approx(center, rel=1e-9)
    assert found.standard_error == pytest.approx(error, rel=1e-9)
    assert found.statistic == pytest.approx(center / error, rel=1e-9)
    assert found.smallest_detectable == pytest.approx(2.80 * error, rel=1e-3)
    freedom = 1.5 * 200 / found.lags
    assert found.p_value == pytest.approx(2.0 * stats.t.sf(abs(center / error), freedom))
    assert (found.dates, found.assets, found.rows) == (200, 3, 540)
    assert found.loss_a - found.loss_b == pytest.approx(found.difference)


def test_the_losses_are_those_of_the_task_on_the_rows_that_both_have():
    targets = np.array([1.0, 0.0, 1.0, 0.0])
    a, b = forecast(np.full(4, 2.0), targets), forecast(np.full(4, -1.0), targets).tail(3)
    rows = paired_comparison.pair(a, b, TASK)
    assert rows["date"].to_list() == days(4)[1:]
    expected = [-math.log(1.0 - 1.0 / (1.0 + math.exp(-2.0))), -math.log(1 / (1 + math.exp(-2)))]
    assert rows["a"].to_list()[:2] == pytest.approx(expected)
    returns = paired_comparison.pair(a, b, TASKS["regression"])
    assert returns["b"].to_list() == [1.0, 4.0, 1.0]


def test_forecasts_of_other_days_or_of_other_outcomes_are_not_compared():
    targets = np.zeros(3)
    a = forecast(np.zeros(3), targets)
    with pytest.raises(DataError, match="no date of a symbol in common"):
        paired_comparison.pair(a, forecast(np.zeros(3), targets, "B"), TASK)
    with pytest.raises(DataError, match="what happened to A after 2010-01-01, nor on 2 other"):
        paired_comparison.pair(a, forecast(np.zeros(3), targets + 1.0), TASK)
    with pytest.raises(DataError, match="at least 30"):
        paired_comparison.compare(paired_comparison.pair(a, a, TASK), TASK, 1)


def called_different(horizon: int, shift: float, assets: int, trials: int = 400) -> float:
    """How often two forecasts of 500 days are called different: labels overlap, assets move
    together."""
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(trials):
        noise = rng.normal(size=(500 + horizon - 1, 1)) + 0.5 * rng.normal(
            size=(500 + horizon - 1, assets)
        )
        moving = np.lib.stride_tricks.sliding_window_view(noise, horizon, axis=0).mean(axis=-1)
        result = paired_comparison.compare(losses(moving + shift), TASK, horizon, draws=1)
        assert result.p_value is not None
        found += result.p_value < 0.05
    return found / trials


@pytest.mark.parametrize(("horizon", "assets"), [(1, 1), (1, 8), (5, 1)])
def test_equal_forecasts_are_called_different_in_about_one_of_twenty(horizon, assets):
    assert 0.02 <= called_different(horizon, 0.0, assets) <= 0.09


def test_the_smallest_detectable_difference_is_seen_in_about_four_of_five():
    error = math.sqrt((1.0 + 0.25 / 4) / 500)
    assert 0.74 <= called_different(1, power.SEEN * error, 4) <= 0.86


def test_assets_that_move_together_count_as_few():
    rng = np.random.default_rng(1)
    common, own = rng.normal(size=(2000, 1)), rng.normal(size=(2000, 6))
    alone = paired_comparison.compare(losses(own), TASK, 1, draws=50)
    together = paired_comparison.compare(losses(common + 1e-6 * own), TASK, 1, draws=50)
    assert alone.n_eff_assets == pytest.approx(6.0, rel=0.15)
    assert together.n_eff_assets == pytest.approx(1.0, rel=0.01)


def test_a_verdict_needs_the_test_and_the_interval_and_states_what_it_could_have_seen():
    rng = np.random.default_rng(2)
    noise = rng.normal(scale=0.1, size=(300, 1))
    by_shift = {
        shift: paired_comparison.compare(losses(noise - noise.mean() + shift), TASK, 1)
        for shift in (-0.05, 0.0, 0.05)
    }
    assert [one.verdict for one in by_shift.values()] == [
        "better",
        "not significantly different",
        "worse",
    ]
    unsure = replace(by_shift[-0.05], interval=(-0.1, 0.001))
    assert unsure.p_value is not None
    assert unsure.p_value < 0.001
    assert unsure.verdict == "not significantly different"
    said = paired_comparison.sentence("mine", "HAR", by_shift[0.0], "a touch")
    assert "mine is not significantly different from HAR (a touch, 300 dates)" in said
    assert "0.01" in said.split("a difference of ")[1]
    said = paired_comparison.sentence("mine", "HAR", by_shift[-0.05], "a touch")
    assert "mine is better than HAR" in said


def test_a_forecast_beside_itself_is_no_different():
    rng = np.random.default_rng(5)
    targets = rng.integers(0, 2, size=100)
    own = forecast(rng.normal(size=100), targets)
    found = paired_comparison.compare(paired_comparison.pair(own, own, TASK), TASK, 1)
    assert (found.difference, found.p_value) == (0.0, None)
    assert found.verdict == "not significantly different"


def test_too_few_of_a_class_are_no_evidence():
    targets = np.r_[np.ones(5), np.zeros(295)]
    a, b = forecast(np.full(300, -3.0), targets), forecast(np.zeros(300), targets)
    found = paired_comparison.compare(paired_comparison.pair(a, b, TASK), TASK, 1)
    assert found.verdict == "not estimable"
    assert "5 positives" in paired_comparison.sentence("a", "b", found, "a touch")


def test_the_scored_symbol_and_the_mean_of_all_assets_are_both_estimated():
    rng = np.random.default_rng(4)
    rows = losses(rng.normal(scale=0.1, size=(100, 3)))
    asked = ScoredTask(TASK, TIMESCALES["daily"], 1, "A1", "drawn")
    found = paired_comparison.estimands(rows, asked)
    assert list(found) == ["A1", "mean of 3 assets"]
    own = rows.filter(symbol="A1")
    assert found["A1"].difference == pytest.approx((own["a"] - own["b"]).mean())
    assert found["mean of 3 assets"].difference == pytest.approx((rows["a"] - rows["b"]).mean())
    each = paired_comparison.by_asset(rows, asked)
    assert list(each) == ["A0", "A1", "A2"]
    assert each["A1"] == found["A1"]


def test_the_mean_of_seeds_is_that_of_their_logits():
    targets = np.array([1.0, 0.0])
    seeds = [forecast(np.array(logits), targets) for logits in ([1.0, 2.0], [3.0, -2.0])]
    assert paired_comparison.mean_of(seeds)["logit"].to_list() == [2.0, 0.0]
    with pytest.raises(DataError, match="not all of these runs predict A on 2010-01-02"):
        paired_comparison.mean_of([seeds[0], seeds[1].head(1)])
