"""On a simulated market the best possible forecast is scored too, and nobody beats it honestly."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from mlxts.baselines.registry import ALL, STANDARD
from mlxts.config.loading import build_config
from mlxts.data import store
from mlxts.data.sources.base import oracle_column
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.evaluation import oracle, score
from mlxts.evaluation.reference import fit_baselines
from mlxts.runs import predictions
from mlxts.runs.references import Reference
from mlxts.simulation.source import SimulatedSource
from mlxts.training import residual_reference
from tests.evaluation import worlds


def market(patch: pytest.MonkeyPatch, home, kind: str, task: str, **data: Any) -> Dataset:
    """Eleven years of a market, with planted features where it has some."""
    patch.setenv("MLXTS_HOME", str(home))
    source = SimulatedSource(kind, seed=4, first=date(2014, 1, 2), last=date(2025, 3, 31))
    fetched = source.fetch("A")
    store.register_raw(fetched.frame, source="simulated", symbol="A", parameters=fetched.parameters)
    inputs = "simulated" if "planted" in fetched.frame.columns else "indicators"
    values = {
        "name": "t",
        "mode": "exploratory",
        "task": task,
        "data": {"source": "simulated", "symbols": ["A"], "score_on": "A"} | data,
        "features": {"source": inputs},
    }
    return build_dataset(build_config(values))


def rivals(data: Dataset) -> dict[str, pl.DataFrame]:
    """Every baseline that needs no network, and the best possible forecast."""
    asked = ("train", "validation")
    return fit_baselines(data, asked, ALL, ALL).tables | oracle.forecast(data, asked)


HAR = Reference("har", {})


def test_the_best_forecast_is_the_stored_probability_of_the_row(tmp_path, monkeypatch) -> None:
    data = market(monkeypatch, tmp_path, "regimes", "threshold_1pct")
    table = oracle.forecast(data, ("train", "validation"))[predictions.ORACLE].filter(
        split="validation"
    )
    stored = store.load(store.find("A", ["simulated"]))
    joined = table.join(stored.select("date", oracle_column("threshold_1pct", 1)), on="date")
    assert joined.height == table.height == len(data.samples["validation"])
    np.testing.assert_allclose(
        expit(joined["logit"].to_numpy()), joined[oracle_column("threshold_1pct", 1)].to_numpy()
    )


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("gbm", "direction"),
        ("sv", "threshold_1pct"),
        ("regimes", "direction"),
        ("zipf", "direction"),
    ],
)
def test_no_honest_model_beats_it(tmp_path, monkeypatch, kind: str, task: str) -> None:
    data = market(monkeypatch, tmp_path, kind, task)
    scores = score.score_models(rivals(data), worlds.scored_task(data), ("validation",), HAR)[
        "validation"
    ]
    assert {predictions.ORACLE, "garch_random_walk", "trees"} < set(scores)
    for name, figures in scores.items():
        assert not figures["better_than_oracle"]
        if name != predictions.ORACLE:
            low, high = figures["interval"][score.EXCESS]
            assert low <= figures[score.EXCESS] <= high
            assert figures[score.EXCESS] == pytest.approx(
                figures["log_loss"] - scores[predictions.ORACLE]["log_loss"]
            )


def test_a_model_that_reads_the_canary_is_found_out(tmp_path, monkeypatch) -> None:
    data = market(monkeypatch, tmp_path, "canary", "direction")
    scores = score.score_models(rivals(data), worlds.scored_task(data), ("validation",), HAR)[
        "validation"
    ]
    assert scores["linear"]["auc"] > 0.999
    # Those that read features, and they alone.
    leaky = {"linear", "trees"}
    assert {name for name, figures in scores.items() if figures["better_than_oracle"]} == leaky


def test_so_is_a_network_that_builds_on_a_reference_which_reads_it(tmp_path, monkeypatch) -> None:
    data = market(monkeypatch, tmp_path, "canary", "direction")
    beneath = residual_reference.fit(data, "linear")(data)
    rows = pl.concat(
        predictions.table(predictions.NETWORK, samples, split, beneath[samples.rows])
        for split, samples in data.samples.items()
        if split in ("train", "validation")
    )
    models = rivals(data) | {predictions.NETWORK: rows}
    for split in ("train", "validation"):
        scores = score.score_models(models, worlds.scored_task(data), (split,), HAR)[split]
        assert scores[predictions.NETWORK]["better_than_oracle"]


def test_real_bars_and_foreign_labels_have_no_best_forecast(tmp_path, monkeypatch) -> None:
    data = market(monkeypatch, tmp_path, "sv", "threshold_1pct", rotate_labels_years=1)
    assert oracle.forecast(data, ("train",)) == {}
    world = worlds.world(worlds.market(1500, seed=1))
    assert oracle.forecast(world, ("train",)) == {}
    models = fit_baselines(world, ("train", "validation")).tables
    scores = score.score_models(models, worlds.scored_task(world), ("validation",), HAR)[
        "validation"
    ]
    assert set(scores) == set(STANDARD)
    assert "better_than_oracle" not in scores["har"]
