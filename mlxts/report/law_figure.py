"""Loss over size: what was measured, and the laws that were fitted to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlxts.report.figure import drawing, levels, powers_of_ten
from mlxts.report.palette import FAINT, MARKERS, NETWORK, shade_of

_BESIDE = 0.025  # of the width: how far single runs stand beside their mean


@dataclass(frozen=True)
class Law:
    """A fitted curve: its name, and over shared sizes its loss with a 95 % band."""

    name: str
    loss: np.ndarray  # (m,)
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class LawPanel:
    """The data of one figure.

    Attributes:
        title: the cell. subtitle: of a figure that has no caption.
        unit: of the sizes.
        sizes, losses, low, high: (K,) of the rungs, with 95 % intervals of the *paired* kind: what
            all sizes share is taken out.
        run_sizes, run_losses: (R,) of the single runs.
        grid: (m,) sizes at which the laws are drawn; beyond the last rung dashed, a forecast.
        chosen: the law to believe, with its band. others: drawn thin.
        levels: losses of forecasts without a network, by name.
    """

    title: str
    subtitle: str
    unit: str
    sizes: np.ndarray
    losses: np.ndarray
    low: np.ndarray
    high: np.ndarray
    run_sizes: np.ndarray
    run_losses: np.ndarray
    grid: np.ndarray
    chosen: Law
    others: Sequence[Law]
    levels: Mapping[str, float]
    loss_unit: str = "nats"


def draw_laws(axes: Axes, panel: LawPanel) -> None:
    """Rungs with their intervals, runs as dots beside them, laws as curves, baselines as levels."""
    axes.set_xscale("log")
    law = panel.chosen
    measured = panel.grid <= panel.sizes.max() * (1 + 1e-9)
    beyond = panel.grid >= panel.sizes.max() * (1 - 1e-9)
    axes.fill_between(panel.grid, law.low, law.high, color=NETWORK, alpha=0.15, linewidth=0)
    axes.plot(panel.grid[measured], law.loss[measured], color=NETWORK, label=f"chosen: {law.name}")
    axes.plot(panel.grid[beyond], law.loss[beyond], color=NETWORK, linestyle=(0, (4, 2)))
    for style, other in zip(
        (":", "-.", (0, (1, 3)), (0, (5, 3, 1, 3))), panel.others, strict=False
    ):
        axes.plot(
            panel.grid, other.loss, color=FAINT, linestyle=style, linewidth=1.2, label=other.name
        )
    _, of_run, counts = np.unique(panel.run_sizes, return_inverse=True, return_counts=True)
    several = counts[of_run] > 1  # a single run is its mean
    if several.any():
        aside = (panel.grid[0] / panel.grid[-1]) ** _BESIDE
        axes.plot(
            panel.run_sizes[several] * aside, panel.run_losses[several], "o", color=NETWORK,
            alpha=0.7, markersize=3.5, markeredgewidth=0, label="runs", zorder=5,
        )  # fmt: skip
    errors = np.maximum(np.vstack([panel.losses - panel.low, panel.high - panel.losses]), 0.0)
    axes.errorbar(
        panel.sizes, panel.losses, yerr=errors, fmt="s", color="black", markersize=4.5, capsize=3,
        elinewidth=1.1, label="mean over seeds, 95 %", zorder=4,
    )  # fmt: skip
    levels(axes, panel.levels)
    _axes_of_sizes(axes, panel.unit, panel.loss_unit)


@dataclass(frozen=True)
class LawSurface:
    """A law over two sizes: one curve over N for each D.

    Attributes:
        sizes: (K, 2) N and D of the rungs. losses, low, high: (K,) with 95 % paired intervals.
        grid: (m,) N. curves: for each distinct D, ascending, the law's (m,) losses; empty where no
            law was fitted, then neighbouring rungs are joined.
        steps: the label of each distinct D.
    """

    title: str
    subtitle: str
    sizes: np.ndarray
    losses: np.ndarray
    low: np.ndarray
    high: np.ndarray
    grid: np.ndarray
    curves: Sequence[np.ndarray]
    steps: Sequence[str]
    levels: Mapping[str, float]
    loss_unit: str = "nats"


def write(path: Path, panel: LawPanel | LawSurface) -> None:
    """Write one figure; see `figure.drawing` for what it raises."""
    _drawn(panel, path)


def shown(panel: LawPanel | LawSurface) -> Figure:
    """The figure, for a notebook."""
    return _drawn(panel)


def _drawn(panel: LawPanel | LawSurface, *targets: Path) -> Figure:
    with drawing(*targets, size=(7.6, 4.8), title=panel.title) as figure:
        axes = figure.subplots()
        draw(axes, panel)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    return figure


def draw(axes: Axes, panel: LawPanel | LawSurface) -> None:
    """What was measured, the laws and the subtitle, without a legend."""
    axes.set_title(panel.subtitle, fontweight="normal")
    if isinstance(panel, LawPanel):
        draw_laws(axes, panel)
    else:
        draw_curves(axes, panel)


def draw_curves(axes: Axes, surface: LawSurface) -> None:
    """One curve over the first size for each of the second, light to dark: an order that can be
    read without telling hues apart; markers differ as well."""
    axes.set_xscale("log")
    seconds = np.unique(surface.sizes[:, 1])
    for index, (second, step) in enumerate(zip(seconds, surface.steps, strict=True)):
        on_curve = surface.sizes[:, 1] == second
        shade, losses = shade_of(index, len(seconds)), surface.losses[on_curve]
        errors = np.vstack([losses - surface.low[on_curve], surface.high[on_curve] - losses])
        if surface.curves:
            axes.plot(surface.grid, surface.curves[index], color=shade)
        axes.errorbar(
            surface.sizes[on_curve, 0], losses, yerr=np.maximum(errors, 0.0), color=shade,
            fmt=MARKERS[index % len(MARKERS)] + ("" if surface.curves else "-"),
            markersize=4.5, capsize=3, elinewidth=1.0, label=step,
        )  # fmt: skip
    levels(axes, surface.levels)
    _axes_of_sizes(axes, "parameters", surface.loss_unit)


def _axes_of_sizes(axes: Axes, unit: str, loss_unit: str) -> None:
    powers_of_ten(axes)
    axes.set(xlabel=unit, ylabel=f"loss, {loss_unit}")
