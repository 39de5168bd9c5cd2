"""Pictures: the same figures give the same bytes, in both formats and for both kinds of task."""

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from mlxts.evaluation.reference import fit_baselines
from mlxts.protocol import TASKS
from mlxts.report import run_figure
from mlxts.report.reliability_figure import draw_reliability
from tests.evaluation import worlds

MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml"}
LOSSES = [{"step": step, "split": "train", "loss": 0.5 - step / 1000} for step in range(50)] + [
    {"step": step, "split": "validation", "loss": 0.5 + abs(step - 20) / 100}
    for step in range(10, 60, 10)
]


def spoken(task: str) -> dict[str, pl.DataFrame]:
    world = worlds.world(worlds.market(1500, seed=1), task)
    return fit_baselines(world, ("validation",)).tables


@pytest.mark.parametrize("suffix", MAGIC)
@pytest.mark.parametrize("task", ["threshold_1pct", "regression"])
def test_a_picture_is_drawn_and_drawn_again_alike(tmp_path, suffix, task):
    curves = run_figure.RunCurves(LOSSES, spoken(task), TASKS[task], 1, {"HAR": 0.5})
    for name in ("one", "two"):
        path = tmp_path / f"{name}{suffix}"
        run_figure.run_picture(path, "t", curves)
    one = (tmp_path / f"one{suffix}").read_bytes()
    assert one.startswith(MAGIC[suffix])
    assert one == (tmp_path / f"two{suffix}").read_bytes()


def test_the_loss_panel_shows_the_best_validation_and_the_levels_to_beat():
    axes = Figure().subplots()
    run_figure.draw_losses(axes, LOSSES, {"HAR": 0.47}, TASKS["threshold_1pct"])
    assert axes.get_legend_handles_labels()[1] == [
        "training, smoothed",
        "validation, best 0.5000",
        "HAR 0.4700",
    ]
    assert [20.0] in [np.asarray(line.get_xdata()).tolist() for line in axes.lines]


def test_a_run_that_was_stopped_before_its_first_validation_can_be_drawn():
    axes = Figure().subplots()
    run_figure.draw_losses(axes, LOSSES[:3], {}, TASKS["regression"])
    assert axes.get_ylabel() == "Huber per sample"


def test_the_reliability_panel_fits_its_points_over_a_histogram_of_all_forecasts():
    axes, histogram = Figure().subplots(2, sharex=True)
    task = TASKS["direction"]
    diagrams = {n: run_figure._diagram(t, task, 1) for n, t in spoken(task.name).items()}
    draw_reliability(axes, histogram, diagrams, task)
    points = np.concatenate([d.groups.predicted for d in diagrams.values()])
    low, high = axes.get_xlim()
    assert low <= points.min() < points.max() <= high
    assert high - low < 2 * np.ptp(np.concatenate([d.forecasts for d in diagrams.values()]))
    assert low > 0.0
    ends = np.concatenate([[d.groups.low.min(), d.groups.high.max()] for d in diagrams.values()])
    assert axes.get_ylim()[0] <= ends.min() < ends.max() <= axes.get_ylim()[1]
    for steps in histogram.patches:
        assert steps.get_data().values.sum() == pytest.approx(1.0)
    assert len(histogram.patches) == len(diagrams)
