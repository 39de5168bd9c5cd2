"""The evaluator: paired, complete, and silent where nothing can be said."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import logit

from mlxts.baselines.registry import ON_REQUEST
from mlxts.dataset.samples import Dataset
from mlxts.errors import DataError, EmptySplitError
from mlxts.evaluation import (
    conformal,
    estimability,
    metrics,
    regression,
    score,
)
from mlxts.evaluation.block_bootstrap import BlockBootstrap
from mlxts.evaluation.reference import fit_baselines
from mlxts.protocol import TASKS, TIMESCALES
from mlxts.runs import predictions
from mlxts.runs.references import Reference
from tests.evaluation import worlds

DRAWS = 200


def spoken(world: Dataset) -> pl.DataFrame:
    """A model that says nothing but even odds."""
    return pl.concat(
        predictions.table("m", world.samples[split], split, np.zeros(len(world.samples[split])))
        for split in ("train", "validation")
    )


@pytest.fixture(scope="module")
def world():
    return worlds.world(worlds.market(1500, seed=11, symbols=("A", "B")))


@pytest.fixture(scope="module")
def models(world):
    return fit_baselines(world, ("train", "validation")).tables


def scored(models, **changes):
    options: dict[str, Any] = {
        "task": TASKS["threshold_1pct"],
        "horizon": 1,
        "score_on": "A",
        "draws": DRAWS,
    }
    return score.score(models, **(options | changes))["validation"]


def test_every_metric_comes_with_its_interval(models):
    for figures in scored(models).values():
        assert set(metrics.METRICS) <= set(figures)
        for name in metrics.METRICS:
            low, high = figures["interval"][name]
            if name == "precision" and figures["prediction_range"][1] <= 0.5:
                assert figures[name] is low is high is None
            # Resampling adds noise to every bin, so drawn calibration errors are larger.
            elif name != "ece":
                assert low <= figures[name] <= high


def test_overlapping_labels_are_worth_fewer_samples():
    worth = {}
    for horizon in (1, 10):
        apart = worlds.world(worlds.market(1500, seed=11), "direction", horizon)
        models = fit_baselines(apart, ("train", "validation"), ["har"]).tables
        worth[horizon] = scored(models, task=apart.task, horizon=horizon)["har"]
        assert worth[horizon]["n_eff"] <= worth[horizon]["n"]
    assert worth[10]["n_eff"] < 0.4 * worth[1]["n_eff"]


def test_only_rows_of_the_scored_symbol_count(world, models):
    samples = world.samples["validation"]
    of_b = samples.symbols == "B"
    of_b_alone = fit_baselines(world, ("train", "validation"), symbols=["B"]).tables
    figures = scored(of_b_alone, score_on="B")["har"]
    assert figures["n"] == of_b.sum()
    assert figures["n_pos"] == samples.targets[of_b].sum()
    assert figures["base_rate"] == pytest.approx(samples.targets[of_b].mean())


def test_the_prior_is_the_training_base_rate_of_that_symbol(world, models):
    train, validation = world.samples["train"], world.samples["validation"]
    rate = train.targets[train.symbols == "A"].mean(dtype=np.float64)
    happened = validation.targets[validation.symbols == "A"].mean(dtype=np.float64)
    expected = -happened * np.log(rate) - (1 - happened) * np.log(1 - rate)
    assert scored(models)["har"]["log_loss_prior"] == pytest.approx(expected)


def test_a_copy_of_har_matches_it_exactly(models):
    figures = scored({"copy": models["har"], "har": models["har"]})["copy"]
    assert figures["log_loss_difference"] == 0.0
    assert figures["interval"]["log_loss_difference"] == [0.0, 0.0]
    assert figures["interval"]["log_loss_skill"] == [0.0, 0.0]
    assert figures["verdict"] == "not significantly different"


def test_foresight_beats_and_nonsense_loses(models):
    har = models["har"]
    known = har.with_columns(logit=pl.col("logit") + 2.0 * pl.col("target") - 0.8)
    wrong = har.with_columns(logit=pl.col("logit") - 1.5 * pl.col("target"))
    found = scored({"known": known, "wrong": wrong, "har": har})
    assert found["known"]["verdict"] == "beats"
    assert found["known"]["log_loss_skill"] > 0.0 > found["known"]["log_loss_difference"]
    assert found["wrong"]["verdict"] == "loses"


def test_pairing_makes_a_difference_narrower_than_two_figures_apart(models):
    har = models["har"]
    rng = np.random.default_rng(0)
    near = har.with_columns(logit=pl.col("logit") + 0.05 * rng.normal(size=har.height))
    figures = scored({"near": near, "har": har})["near"]
    low, high = figures["interval"]["log_loss"]
    paired_low, paired_high = figures["interval"]["log_loss_difference"]
    assert paired_high - paired_low < 0.2 * (high - low)


def test_figures_do_not_depend_on_the_order_of_models_or_rows(models):
    forward = scored(models)
    mixed = {
        name: table.sample(fraction=1.0, shuffle=True, seed=1)
        for name, table in reversed(models.items())
    }
    assert scored(mixed) == forward


def test_without_har_nothing_is_compared(models):
    figures = scored({"base_rate_by_volatility": models["base_rate_by_volatility"]})[
        "base_rate_by_volatility"
    ]
    assert "verdict" not in figures
    assert "log_loss_difference" not in figures


def test_models_that_speak_about_other_rows_are_refused(models):
    shorter = models["har"].filter(pl.col("date") != models["har"]["date"].max())
    with pytest.raises(DataError, match="name the artifact"):
        scored({**models, "other": shorter})


def test_a_split_without_rows_says_what_to_do(models):
    with pytest.raises(EmptySplitError, match="no test row of A"):
        score.score(models, TASKS["threshold_1pct"], 1, "A", splits=("test",), draws=DRAWS)


def test_rare_events_are_scored_but_claim_nothing():
    world = worlds.world(worlds.market(1500, seed=12), "threshold_5pct")
    scores, _ = worlds.score_run(spoken(world), world)
    found = scores["validation"]["m"]
    assert found["estimable"] is False
    assert "positives" in found["not_estimable"]
    assert found["verdict"] == "not estimable"


def test_a_network_is_scored_beside_all_baselines(world, models):
    network = models["volatility"].with_columns(model=pl.lit("patchtst"))
    scores, _ = worlds.score_run(network, world)
    assert set(scores["validation"]) == {"patchtst", *models}
    ours, theirs = scores["validation"]["patchtst"], scores["validation"]["volatility"]
    assert ours == theirs


def test_returns_are_scored_by_their_own_metrics():
    world = worlds.world(worlds.market(1500, seed=13), "regression", horizon=5)
    models = fit_baselines(world, ("train", "validation")).tables
    found = scored(models, task=world.task, horizon=5)
    for figures in found.values():
        assert set(regression.METRICS["regression"]) <= set(figures)
        assert 0.8 < figures["coverage"] <= 1.0
        assert figures["width"] > 0.0
    constant = found["base_rate_by_volatility"]
    assert constant["r2"] == pytest.approx(0.0, abs=1e-12)
    assert constant["collapsed"]
    assert constant["verdict"] in ("beats", "not significantly different", "loses")


def test_a_range_is_predicted_by_har_and_compared_by_squared_error_and_qlike():
    world = worlds.world(worlds.market(1500, seed=13), "range", horizon=2)
    models = fit_baselines(world, ("train", "validation")).tables
    found = scored(models, task=world.task, horizon=2)
    har, volatility = found["har"], found["volatility"]
    assert set(regression.METRICS["range"]) <= set(har)
    assert har["mse"] == pytest.approx(har["rmse"] ** 2)
    assert 0.1 < har["r2"] < 1.0
    assert volatility["mse_skill"] == pytest.approx(1.0 - volatility["mse"] / har["mse"])
    assert volatility["qlike_skill_har"] == pytest.approx(1.0 - volatility["qlike"] / har["qlike"])
    low, high = volatility["interval"]["qlike_difference"]
    assert low < volatility["qlike_difference"] < high


def test_a_symbol_that_was_never_trained_on_borrows_the_prior_of_the_others(world):
    train = world.samples["train"]
    others = train.symbols == "B"
    only_b = replace(
        train, **{field.name: getattr(train, field.name)[others] for field in fields(train)}
    )
    apart = replace(world, samples={**world.samples, "train": only_b})
    known = {"walk": ON_REQUEST["ewma_random_walk"]}
    found = scored(fit_baselines(apart, ("train", "validation"), known, known).tables)
    happened = found["walk"]["base_rate"]
    odds = logit(only_b.targets.mean(dtype=np.float64))
    assert found["walk"]["log_loss_prior"] == pytest.approx(np.logaddexp(0, odds) - happened * odds)


def test_a_timescale_with_phases_is_scored_on_the_canonical_one_and_on_all(world):
    """Every second date is canonical; the prior is of all training rows."""

    def in_two_phases(samples):
        return replace(samples, phases=(np.arange(len(samples)) // 2 % 2).astype(np.int16))

    phased = replace(
        world,
        timescale=TIMESCALES["2d"],
        samples={name: in_two_phases(samples) for name, samples in world.samples.items()},
    )
    tables = fit_baselines(phased, ("train", "validation")).tables
    har = Reference("har", {})
    found = score.score_models(tables, phased, ("validation",), har)
    asked = (tables, phased.task, phased.horizon, phased.score_on)
    assert found["validation" + score.ALL_PHASES] == score.score(*asked)["validation"]
    samples = phased.samples["validation"]
    chosen = (samples.phases == 0) & (samples.symbols == phased.score_on)
    har = found["validation"]["har"]
    assert har["n"] == chosen.sum() < found["validation_all_phases"]["har"]["n"]
    assert har["base_rate"] == pytest.approx(samples.targets[chosen].mean())
    apart = found["validation_all_phases"]["har"]
    assert har["log_loss_prior"] != apart["log_loss_prior"]
    alone = score.score(*asked, dates=samples.dates[chosen], spacing=2)["validation"]
    assert alone == found["validation"]


def test_a_timescale_of_one_phase_is_scored_once(world):
    tables = fit_baselines(world, ("train", "validation")).tables
    har = Reference("har", {})
    assert score.score_models(tables, world, ("validation",), har) == scored_splits(tables, world)


def scored_splits(tables, world):
    return score.score(tables, world.task, world.horizon, world.score_on)


def har_tables(task: str, horizon: int = 5) -> dict:
    world = worlds.world(worlds.market(1500, seed=11), task, horizon)
    return fit_baselines(world, ("train", "validation", "test"), ["har"]).tables


def test_an_interval_is_of_the_draws_of_blocks_that_were_asked_for():
    har = har_tables("threshold_1pct")["har"]
    found = score.score({"har": har}, TASKS["threshold_1pct"], 5, "A", draws=150, seed=4, spacing=2)
    rows = har.filter(split="validation").sort("date")
    z, y, dates = (rows[name].to_numpy() for name in ("logit", "target", "date"))
    losses = np.logaddexp(0.0, z) - y * z
    bootstrap = BlockBootstrap(dates, 5, 2)
    assert (bootstrap.block, bootstrap.overlap) == (11, 3)
    weights = bootstrap.weights(150, seed=4)
    drawn = losses @ weights / weights.sum(axis=0)
    tail = 0.5 * (1.0 - bootstrap.level)
    figures = found["validation"]["har"]
    assert figures["log_loss"] == pytest.approx(losses.mean())
    assert figures["interval"]["log_loss"] == pytest.approx(
        np.quantile(drawn[1:], (tail, 1.0 - tail)).tolist()
    )
    assert figures["n_eff"] == pytest.approx(bootstrap.effective(losses, drawn))


@pytest.mark.parametrize(("horizon", "spacing"), [(2, 1), (6, 1), (6, 6), (60, 6)])
def test_a_cell_is_estimable_by_its_own_horizon_and_spacing(horizon, spacing):
    har = har_tables("threshold_2pct", 1)["har"]
    rows = har.filter(split="validation").sort("date")
    task, dates, targets = TASKS["threshold_2pct"], rows["date"], rows["target"].to_numpy()
    why = estimability.obstacle(dates.to_numpy(), targets, horizon, spacing)
    assert (why is None) == ((horizon, spacing) in {(2, 1), (6, 6)})
    found = score.score({"har": har}, task, horizon, "A", spacing=spacing, draws=20)
    assert found["validation"]["har"]["not_estimable"] == why


def test_widths_of_returns_on_test_are_those_of_validation():
    har = har_tables("regression")["har"]
    found = score.score({"har": har}, TASKS["regression"], 5, "A", splits=("test",), draws=20)
    errors = {
        split: abs(rows["logit"] - rows["target"]).to_numpy()
        for split in ("validation", "test")
        for rows in [har.filter(split=split)]
    }
    half = conformal.half_width(errors["validation"])
    figures = found["test"]["har"]
    assert figures["width_from"] == "validation residuals"
    assert figures["width"] == pytest.approx(2.0 * half)
    assert figures["coverage"] == pytest.approx((errors["test"] <= half).mean())
