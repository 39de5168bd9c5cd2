"""Reliability: observed against predicted frequency of the smallest and the largest model,
and the reference.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from mlxts import protocol
from mlxts.evaluation import comparison
from mlxts.evaluation.calibration import Reliability, reliability
from mlxts.report import labels
from mlxts.report.figure import Picture, legend_below
from mlxts.report.run_figure import GROUPS, draw_reliability
from mlxts.scaling.configuration_scores import ConfigurationScores


def diagrams(scored: Sequence[ConfigurationScores]) -> list[Picture]:
    """One for each binary cell and kind of configuration that is estimable."""
    common = labels.common_settings([scores.key for scores in scored]) | "budget"
    binary = [scores for scores in scored if not scores.regression and not scores.obstacle]

    def kind(scores: ConfigurationScores) -> tuple:
        return (*scores.cell, *labels.of_configuration(scores.key)[:-1])

    return [_diagram(key, list(group), common) for key, group in groupby(binary, kind)]


def _diagram(
    key: tuple, group: list[ConfigurationScores], common: labels.CommonSettings
) -> Picture:
    smallest, largest = group[0], group[-1]
    curves = {
        largest.key["budget"]: _of(largest, largest.table.losses[:, 0]),
        comparison.title(largest.reference): _of(largest, largest.table.reference),
    }
    if smallest is not largest:
        curves[smallest.key["budget"]] = _of(smallest, smallest.table.losses[:, 0])
    task = protocol.TASKS[group[0].key["task"]]
    mode = "strict" if all(scores.mode == "strict" for scores in group) else "exploratory"
    settings = labels.configuration(group[0].key, common)
    return Picture(
        name=labels.slug("reliability", *key),
        title=labels.marked(f"{labels.cell(group[0].key)}: {settings}", mode),
        caption=(
            "Observed frequency over predicted probability, in up to six groups of equal size, "
            "with 95 % block-bootstrap intervals; one run (the first seed) of the smallest and of "
            "the largest model, uncalibrated, and the reference on the same rows."
        ),
        data=_data(curves),
        draw=lambda axes: _draw(axes, curves, task),
    )


def _of(scores: ConfigurationScores, losses: np.ndarray) -> Reliability:
    # A log loss determines the probability: that of the outcome is the exponential of minus it.
    of_outcome = np.exp(-losses)
    probabilities = np.where(scores.targets > 0.5, of_outcome, 1.0 - of_outcome)
    weights, level = scores.weights[:, 1:], scores.table.bootstrap.level
    return reliability(probabilities, scores.targets, weights, bins=GROUPS, level=level)


def _draw(axes: Axes, curves: dict[str, Reliability], task: protocol.Task) -> None:
    draw_reliability(axes, curves, task)
    legend_below(axes, columns=4)


def _data(curves: dict[str, Reliability]) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame(
            {
                "model": [name] * len(diagram.counts),
                "predicted": diagram.predicted,
                "observed": diagram.observed,
                "low": diagram.low,
                "high": diagram.high,
                "samples": diagram.counts,
            }
        )
        for name, diagram in curves.items()
    )
