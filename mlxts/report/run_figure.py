"""Figures of a run. The same numbers give the same bytes, so a figure can be compared too."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from mlxts.evaluation import metrics
from mlxts.evaluation.block_bootstrap import BlockBootstrap
from mlxts.evaluation.calibration import Reliability, reliability
from mlxts.protocol import Task
from mlxts.report.figure import drawing

GROUPS = 6  # of samples in a reliability diagram, of equal size


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
    with drawing(path, size=(10.5, 4.4), title=title) as figure:
        left, right = figure.subplots(1, 2)
        draw_losses(left, losses, references or {}, task)
        diagrams = {name: _reliability(table, task, horizon) for name, table in models.items()}
        draw_reliability(right, diagrams, task)
        right.set_title("Reliability")
        right.legend(loc="upper left")


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
    axes.plot(train["step"], trend, color="C2", label="training, smoothed")
    if validation.height:
        best = validation.row(int(np.argmin(validation["loss"])), named=True)
        label = f"validation, best {best['loss']:.4f}"
        axes.plot(validation["step"], validation["loss"], color="C0", marker=".", label=label)
        axes.plot(best["step"], best["loss"], "o", color="C0", markersize=9, fillstyle="none")
    for (name, level), style in zip(references.items(), ("--", ":", "-."), strict=False):
        axes.axhline(level, color="C1", linestyle=style, linewidth=1.2, label=f"{name} {level:.4f}")
    unit = {"regression": "Huber", "range": "half squared error"}.get(task.kind, "nats")
    axes.set(title="Loss", xlabel="optimizer step", ylabel=f"{unit} per sample")
    axes.legend()


def draw_reliability(axes: Axes, diagrams: Mapping[str, Reliability], task: Task) -> None:
    """Observed against predicted frequency, with 95 % intervals."""
    ends = np.concatenate([[d.low.min(), d.high.max(), *d.predicted] for d in diagrams.values()])
    margin = 0.05 * (ends.max() - ends.min())
    limits = (float(ends.min() - margin), float(ends.max() + margin))
    if task.binary:
        limits = (0.0, min(1.0, limits[1]))
    axes.plot(limits, limits, color="0.6", linewidth=1.0, label="calibrated")
    for index, (name, diagram) in enumerate(diagrams.items()):
        errors = np.vstack([diagram.observed - diagram.low, diagram.high - diagram.observed])
        axes.errorbar(
            diagram.predicted,
            diagram.observed,
            # A percentile interval may not contain its estimate; a bar cannot have negative length.
            yerr=np.maximum(errors, 0.0),
            fmt=f"{'osD^v'[index % 5]}-",
            color=f"C{index}",
            markersize=4,
            capsize=2,
            elinewidth=1.0,
            label=name,
        )
    labels = {"xlabel": "predicted probability", "ylabel": "observed frequency"}
    if not task.binary:
        labels = {"xlabel": f"predicted {task.unit}", "ylabel": f"mean {task.unit} that followed"}
    axes.set(xlim=limits, ylim=limits, **labels)


def _reliability(predictions: pl.DataFrame, task: Task, horizon: int) -> Reliability:
    forecasts, happened = predictions["logit"].to_numpy(), predictions["target"].to_numpy()
    if task.binary:
        forecasts = metrics.Forecast(forecasts, happened).probabilities
    bootstrap = BlockBootstrap(predictions["date"].to_numpy(), horizon)
    weights = bootstrap.weights()[:, 1:]
    return reliability(forecasts, happened, weights, bins=GROUPS, level=bootstrap.level)
