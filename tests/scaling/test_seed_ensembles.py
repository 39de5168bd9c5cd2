"""The mean forecast of seeds: its loss, minus the reference's, from ledger to table."""

import numpy as np
import polars as pl
import pytest

from mlxts.losses import log_losses
from mlxts.scaling import axes, seed_ensembles
from tests.scaling import ledgers

DAYS = 200


def _rows(budget: str, seed: int, logits: np.ndarray, targets: np.ndarray) -> pl.DataFrame:
    losses, reference = log_losses(logits, targets), log_losses(np.zeros(DAYS), targets)
    rows = ledgers.rows(losses, reference=reference, budget=budget, seed=seed)
    return rows.with_columns(forecast=pl.Series(logits), target=pl.Series(targets))


def _ledger(seeds: int = 3) -> tuple[pl.DataFrame, dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    logits = {name: rng.normal(size=(seeds, DAYS)) for name in ("0.02M", "0.2M")}
    targets = (rng.random(DAYS) < 0.3).astype(float)
    parts = [
        _rows(name, seed, logits[name][seed], targets) for name in logits for seed in range(seeds)
    ]
    return pl.concat(parts), logits, targets


def test_the_mean_logit_of_the_seeds_is_scored_as_a_model_of_its_own() -> None:
    rows, logits, targets = _ledger()
    tables = axes.tables(rows, "parameters")
    reference = log_losses(np.zeros(DAYS), targets)
    found = seed_ensembles.rows(tables, draws=200)
    assert [row["seeds"] for row in found] == [3, 3]
    for row, own in zip(found, logits.values(), strict=True):
        ensemble = log_losses(own.mean(axis=0), targets)
        assert row["loss"] == pytest.approx(ensemble.mean())
        assert row["difference"] == pytest.approx((ensemble - reference).mean())
        single = np.mean([log_losses(one, targets) for one in own])
        assert row["single"] == pytest.approx(single - reference.mean())
        assert row["low"] < row["difference"] < row["high"]
        assert row["difference"] < row["single"]  # log loss is convex in the logit
    text = seed_ensembles.table(found, "parameters").markdown()
    assert "exploratory" in seed_ensembles.table(found, "parameters").title
    assert f"{found[0]['seeds']}" in text


def test_one_seed_is_no_ensemble_and_neither_are_forecasts_that_nobody_kept() -> None:
    rows, _, _ = _ledger(seeds=1)
    assert seed_ensembles.rows(axes.tables(rows, "parameters")) == []
    rows, _, _ = _ledger()
    unknown = rows.with_columns(forecast=pl.lit(None, pl.Float64))
    assert seed_ensembles.rows(axes.tables(unknown, "parameters")) == []
