"""The reliability diagram: observed against predicted, and how often each was predicted."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from mlxts.evaluation.calibration import Reliability
from mlxts.protocol import Task
from mlxts.report import palette

GROUPS = 6  # of samples, of equal size
PANELS = (4.0, 1.0)  # heights of the diagram and of the histogram
_BARS = 30
_TAIL = 0.02  # share of the forecasts that may lie beyond either end of the axis


class Diagram(NamedTuple):
    """A model's groups of forecasts, and the forecasts themselves (n,)."""

    groups: Reliability
    forecasts: np.ndarray


def draw_reliability(
    axes: Axes, histogram: Axes, models: Mapping[str, Diagram], task: Task
) -> None:
    """Groups with 95 % intervals, and histograms over the same axis.

    Args:
        axes, histogram: those of the diagram and of the histogram, with one x-axis.
        models: by title, references first, then networks from the smallest on.
    """
    ends = (_TAIL, 1.0 - _TAIL)
    x = _limits(
        [[*d.groups.predicted, *np.quantile(d.forecasts, ends)] for d in models.values()], task
    )
    y = _limits(
        [[*d.groups.low, *d.groups.high, *d.groups.observed] for d in models.values()], task
    )
    axes.plot(x, x, color=palette.FAINT, linewidth=1.0, label="calibrated")
    edges = np.linspace(*x, _BARS + 1)
    styles = palette.lines(models)
    for index, (name, (groups, forecasts)) in enumerate(models.items()):
        style = styles[name]
        errors = np.vstack([groups.observed - groups.low, groups.high - groups.observed])
        axes.errorbar(
            groups.predicted,
            groups.observed,
            # A percentile interval may not contain its estimate; a bar cannot have negative length.
            yerr=np.maximum(errors, 0.0),
            marker=palette.MARKERS[index % len(palette.MARKERS)],
            markersize=4,
            capsize=2,
            elinewidth=1.0,
            label=name,
            **style,
        )
        counts, _ = np.histogram(np.clip(forecasts, *x), edges)
        histogram.stairs(counts / len(forecasts), edges, linewidth=1.2, **style)
    histogram.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    predicted, observed = "predicted probability", "observed frequency"
    if not task.binary:
        predicted, observed = f"predicted {task.unit}", f"mean {task.unit} that followed"
    axes.set(xlim=x, ylim=y, ylabel=observed)
    histogram.set(xlabel=predicted, ylabel="share of days")


def _limits(of_models: Iterable[Iterable[float]], task: Task) -> tuple[float, float]:
    """A range that holds the values with a margin; of probabilities within 0 and 1."""
    values = [float(value) for of_model in of_models for value in of_model]
    low, high = min(values), max(values)
    margin = 0.05 * (high - low)
    low, high = low - margin, high + margin
    return (max(low, 0.0), min(high, 1.0)) if task.binary else (low, high)
