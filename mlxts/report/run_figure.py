"""Figures of a run. The same numbers give the same bytes, so a figure can be compared too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from mlxts.evaluation import metrics
from mlxts.evaluation.block_bootstrap import DRAWS, BlockBootstrap
from mlxts.evaluation.calibration import reliability
from mlxts.protocol import Task
from mlxts.report import palette
from mlxts.report.figure import drawing
from mlxts.report.reliability_figure import GROUPS, PANELS, Diagram, draw_reliability


@dataclass(frozen=True)
class RunCurves:
    """What is drawn of a run.

    Attributes:
        losses: rows {step, split, loss}.
        models: predictions of one split of one symbol by name, drawn in this order.
        task: what was predicted; of a number means stand in for frequencies.
        horizon: H, trading days; decides the bootstrap block of the intervals.
        references: validation losses to draw as levels, e.g. {"HAR": 0.4736}.
    """

    losses: Sequence[Mapping[str, Any]]
    models: Mapping[str, pl.DataFrame]
    task: Task
    horizon: int
    references: Mapping[str, float] = field(default_factory=dict)

    def draw_losses(self, figure: Figure | SubFigure) -> None:
        """Loss over training, with a legend below."""
        axes = figure.subplots()
        draw_losses(axes, self.losses, self.references, self.task)
        _legend(figure, axes)

    def draw_reliability(self, figure: Figure | SubFigure) -> None:
        """Predicted against observed, with a legend below."""
        axes = figure.subplots(2, sharex=True, height_ratios=PANELS)
        diagrams = {
            name: _diagram(table, self.task, self.horizon) for name, table in self.models.items()
        }
        draw_reliability(*axes, diagrams, self.task)
        axes[0].set_title("Reliability")
        _legend(figure, axes[0])


def _legend(figure: Figure | SubFigure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=3, fontsize=9)


def run_picture(path: Path, title: str, curves: RunCurves) -> None:
    """Loss over training, and predicted against observed, side by side.

    Args:
        path: ends in .png or .svg.
        title: above both panels.

    Raises:
        ConfigError, StorageError: see `figure.drawing`.
    """
    with drawing(path, size=(10.5, 4.8), title=title) as figure:
        left, right = figure.subfigures(1, 2, squeeze=False)[0]
        curves.draw_losses(left)
        curves.draw_reliability(right)


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
    weights = bootstrap.weights(DRAWS)[:, 1:]
    groups = reliability(forecasts, targets, weights, bins=GROUPS, level=bootstrap.level)
    return Diagram(groups, forecasts)
