"""What stands behind a score, against the plain reading of its definition."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import f1_score, precision_score, recall_score

from mlxts.evaluation import conformal, diagnostics, score
from mlxts.evaluation.reference import fit_baselines
from tests.evaluation import worlds

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def labels():
    data = worlds.world(worlds.market(1500, seed=21, symbols=("A", "B")))
    return data, fit_baselines(data, SPLITS, ["har"]).tables["har"]


@pytest.fixture(scope="module")
def returns():
    data = worlds.world(worlds.market(1500, seed=22), "regression", horizon=5)
    return data, fit_baselines(data, SPLITS, ["har"]).tables["har"]


@pytest.mark.parametrize(("scored", "chosen_on"), [("validation", "train"), ("test", "validation")])
def test_operating_points_are_cut_on_earlier_rows_and_count_scored_ones(labels, scored, chosen_on):
    data, table = labels
    found = diagnostics.details(table, data, scored)
    assert found["chosen_on"] == chosen_on
    earlier = table.filter(split=chosen_on, symbol="A")
    rows = table.filter(split=scored, symbol="A")
    y, p = rows["target"].to_numpy(), expit(rows["logit"].to_numpy())
    points = {point["name"]: point for point in found["operating_points"]}
    assert points["even odds"]["threshold"] == 0.5
    assert points["base rate"]["threshold"] == pytest.approx(earlier["target"].mean())
    tenth = (expit(earlier["logit"].to_numpy()) > points["top 10 %"]["threshold"]).mean()
    assert tenth == pytest.approx(0.1, abs=0.01)
    for point in points.values():
        called = p > point["threshold"]
        assert point["predicted_positive_rate"] == pytest.approx(called.mean())
        assert point["recall"] == pytest.approx(recall_score(y, called))
        if called.any():
            assert point["precision"] == pytest.approx(precision_score(y, called))
        low, high = point["interval"]["recall"]
        assert low <= point["recall"] <= high


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_no_cut_has_a_better_f1(samples):
    z = np.array([float(logit) for logit, _ in samples])
    y = np.array([float(up) for _, up in samples])
    y[0] = 1.0
    best = max(f1_score(y, z > cut) for cut in (-10.0, *(np.unique(z) - 0.5)))
    assert f1_score(y, z > diagnostics.best_f1(z, y)) == pytest.approx(best)


def test_groups_hold_every_row_once(labels):
    data, table = labels
    groups = diagnostics.details(table, data, "validation")["reliability"]
    rows = table.filter(split="validation", symbol="A")
    assert sum(group["n"] for group in groups) == rows.height
    happened = sum(group["n"] * group["observed_rate"] for group in groups)
    assert happened == pytest.approx(rows["target"].sum())
    said = [group["mean_predicted"] for group in groups]
    assert said == sorted(said)


def test_what_is_fitted_on_validation_is_reported_on_test_alone(labels):
    data, table = labels
    assert "recalibrated" not in diagnostics.details(table, data, "validation")
    assert "recalibrated" not in diagnostics.details(table, data, "train")
    mended = diagnostics.details(table, data, "test")["recalibrated"]
    scored = score.score({"har": table}, data.task, 1, "A", splits=("test",))["test"]["har"]
    for metric in ("log_loss", "brier", "ece"):
        assert mended["as it is"][metric] == pytest.approx(scored[metric])
        assert mended["as it is"]["interval"][metric] == pytest.approx(scored["interval"][metric])
    for name in ("isotonic", "platt", "temperature"):
        change = mended[name]["log_loss"] - mended["as it is"]["log_loss"]
        assert mended[name]["difference"] == pytest.approx(change)
        low, high = mended[name]["interval"]["difference"]
        assert low <= change <= high


def test_coverage_of_a_year_is_the_share_inside(returns):
    data, table = returns
    found = diagnostics.details(table, data, "test")
    rows = table.filter(split="test", symbol="A")
    years = rows["date"].dt.year().to_numpy()
    learned = table.filter(split="validation", symbol="A")
    half = conformal.half_width((learned["logit"] - learned["target"]).to_numpy())
    inside = ((rows["logit"] - rows["target"]).abs() <= half).to_numpy()
    assert [row["year"] for row in found["years"]] == np.unique(years).tolist()
    assert sum(row["n"] for row in found["years"]) == rows.height
    for row in found["years"]:
        assert row["coverage"] == pytest.approx(inside[years == row["year"]].mean())
        assert row["width"] == pytest.approx(2 * half)
    assert found["width_from"] == "validation residuals"


@pytest.mark.parametrize("split", ["validation", "test"])
def test_widths_do_not_come_from_what_a_model_was_fitted_to(returns, split):
    """Whoever knows the training rows by heart has no residuals there, and wide intervals still."""
    data, table = returns
    learned = pl.col("split") == "train"
    by_heart = table.with_columns(
        logit=pl.when(learned).then(pl.col("target")).otherwise(pl.col("logit"))
    )
    for one in (table, by_heart):
        scored = score.score({"har": one}, data.task, 5, "A", splits=(split,))[split]["har"]
        assert 0.8 < scored["coverage"] <= 0.97
        years = diagnostics.details(one, data, split)
        assert years["width_from"] == scored["width_from"]
        mean = sum(row["n"] * row["coverage"] for row in years["years"]) / scored["n"]
        assert mean == pytest.approx(scored["coverage"])
