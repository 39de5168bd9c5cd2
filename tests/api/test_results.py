"""A run as a notebook sees it, and the tables of `mlxts`."""

import math

import numpy as np
import polars as pl
import pytest

import mlxts
from mlxts.errors import ConfigError, DataError
from tests.api.conftest import CONFIG, frame


def test_scores_are_a_frame_that_begins_with_what_decides(run) -> None:
    scores = run.scores
    assert scores.columns[:6] == [
        "split", "model", "n", "log_loss", "log_loss_low", "log_loss_high"
    ]  # fmt: skip
    network = scores.row(by_predicate=pl.col("model") == "patchtst", named=True)
    assert network["log_loss"] == run.summary["scores"]["validation"]["patchtst"]["log_loss"]
    assert network["log_loss_low"] < network["log_loss"] < network["log_loss_high"]
    assert mlxts.evaluate(run).equals(scores)
    assert set(mlxts.evaluate(run, "train")["split"]) == {"train"}
    with pytest.raises(ConfigError, match="tomorrow is none of"):
        mlxts.evaluate(run, "tomorrow")  # ty: ignore[invalid-argument-type]


def test_predictions_hold_probabilities_and_of_a_number_what_is_predicted(run) -> None:
    rows = run.predictions("validation")
    assert rows.columns[-3:] == ["logit", "probability", "target"]
    np.testing.assert_allclose(rows["probability"], 1 / (1 + np.exp(-rows["logit"].to_numpy())))
    numbers = mlxts.train({**CONFIG, "task": "regression"}, data=frame())
    assert numbers.predictions("validation").columns[-2:] == ["predicted", "target"]
    assert "rmse" in numbers._repr_html_()


def test_a_run_shows_itself_in_a_notebook(run) -> None:
    html = run._repr_html_()
    assert run.id in html
    assert run.verdict.replace("−", "-")[:10] in html
    assert "<td" in html and "linear" in html
    assert "<button" not in html


def test_figures_show_themselves_in_a_notebook_and_are_the_same_twice(run) -> None:
    for plot in (run.plot_losses, run.plot_reliability):
        png = plot()._repr_png_()
        assert png.startswith(b"\x89PNG")
        assert png == plot()._repr_png_()
    with pytest.raises(DataError, match="no predictions of test yet"):
        run.plot_reliability("test")


def test_two_models_are_compared_in_one_row(run) -> None:
    compared = mlxts.compare(run, f"{run.id}:linear")
    assert compared.columns[:3] == ["scored", "verdict", "difference"]
    row = compared.row(0, named=True)
    assert math.isclose(row["difference"], row["loss_a"] - row["loss_b"])
    assert row["difference_low"] < row["difference"] < row["difference_high"]


def test_a_forecast_is_of_the_last_bar_of_the_frame_that_is_given(run) -> None:
    bars = frame()
    assert mlxts.forecast(run)["date"] == str(bars.index[-1].date())
    earlier = mlxts.forecast(run, bars.iloc[:-5])
    assert earlier["date"] == str(bars.index[-6].date())
    assert earlier == mlxts.forecast(run, date=bars.index[-6].date())


def test_runs_are_listed_in_a_frame(run) -> None:
    runs = mlxts.list_runs()
    assert run.id in runs["run_id"]
    assert mlxts.load_run(run.id).verdict == run.verdict
