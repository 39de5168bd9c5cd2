"""Figures of a run. The same numbers give the same bytes, so a figure can be compared too."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from mlxts.evaluation import metrics
from mlxts.evaluation.block_bootstrap import BlockBootstrap
from mlxts.evaluation.calibration import reliability
from mlxts.protocol import Task
from mlxts.report import palette
from mlxts.report.figure import drawing
from mlxts.report.reliability_figure import GROUPS, PANELS, Diagram, draw_reliability


def run_picture(
    path: Path,
    title: str,
    losses: Iterable[Mapping[str, Any]],
    models: Mapping[str, pl.DataFrame],
    task: Task,
    horizon: int,
    *,
    references: Mapping[str, float] | None = None,
) -> None:
    """Loss over training, and predicted against observed, side by side.

    Args:
        path: ends in .png or .svg.
        title: above both panels.
        losses: rows {step, split, loss}.
        models: predictions of one split of one symbol by name, drawn in this order.
        task: what was predicted; of a number means stand in for frequencies.
        horizon: H, trading days; decides the bootstrap block of the intervals.
        references: validation losses to draw as levels, e.g. {"HAR": 0.4736}.

    Raises:
        ConfigError, StorageError: see `figure.drawing`.
    """
    with drawing(path, size=(10.5, 4.8), title=title) as figure:
        (left, right) = figure.subfigures(1, 2, squeeze=False)[0]
        losses_axes = left.subplots()
        draw_losses(losses_axes, losses, references or {}, task)
        diagram_axes = right.subplots(2, sharex=True, height_ratios=PANELS)
        diagrams = {name: _diagram(table, task, horizon) for name, table in models.items()}
        draw_reliability(*diagram_axes, diagrams, task)
        diagram_axes[0].set_title("Reliability")
        for part, axes in ((left, losses_axes), (right, diagram_axes[0])):
            part.legend(
                *axes.get_legend_handles_labels(), loc="outside lower left", ncols=3, fontsize=9
            )


def draw_losses(
    axes: Axes, rows: Iterable[Mapping[str, Any]], references: Mapping[str, float], task: Task
) -> None:
    """Training and validation loss over optimizer steps; the best validation is marked."""
    table = pl.DataFrame(
        [(row["step"], row["split"], row["loss"]) for row in rows],
        schema={"step": pl.Int64, "split": pl.String, "loss": pl.Float64},
        orient="row",
    ).sort("step")
    train, validation = table.filter(split="train"), table.filter(split="validation")
    # The loss of a single batch swings more than anything of interest: only its trend is drawn.
    trend = train["loss"].ewm_mean(half_life=max(train.height / 15, 1))
    axes.plot(train["step"], trend, color=palette.FAINT, label="training, smoothed")
    if validation.height:
        best = validation.row(int(np.argmin(validation["loss"])), named=True)
        label = f"validation, best {best['loss']:.4f}"
        color = palette.NETWORK
        axes.plot(validation["step"], validation["loss"], color=color, marker=".", label=label)
        axes.plot(best["step"], best["loss"], "o", color=color, markersize=9, fillstyle="none")
    for name, level in references.items():
        axes.axhline(level, linewidth=1.3, label=f"{name} {level:.4f}", **palette.line(name))
    axes.margins(y=0.08)
    unit = {"regression": "Huber", "range": "half squared error"}.get(task.kind, "nats")
    axes.set(title="Loss", xlabel="optimizer step", ylabel=f"{unit} per sample")


def _diagram(predictions: pl.DataFrame, task: Task, horizon: int) -> Diagram:
    forecasts, targets = predictions["logit"].to_numpy(), predictions["target"].to_numpy()
    if task.binary:
        forecasts = metrics.Forecast(forecasts, targets).probabilities
    bootstrap = BlockBootstrap(predictions["date"].to_numpy(), horizon)
    weights = bootstrap.weights()[:, 1:]
    groups = reliability(forecasts, targets, weights, bins=GROUPS, level=bootstrap.level)
    return Diagram(groups, forecasts)
