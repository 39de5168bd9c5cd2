"""Reliability: observed against predicted frequency of the smallest and the largest model,
and the reference.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from mlxts import protocol, tasks
from mlxts.evaluation import comparison
from mlxts.evaluation.calibration import reliability
from mlxts.report import labels
from mlxts.report.figure import Picture, legend_below
from mlxts.report.reliability_figure import GROUPS, PANELS, Diagram, draw_reliability
from mlxts.scaling.configuration_scores import ConfigurationScores


def diagrams(scored: Sequence[ConfigurationScores]) -> list[Picture]:
    """One for each binary cell and kind of configuration that is estimable."""
    common = labels.common_settings([scores.key for scores in scored]) | "budget"
    binary = [scores for scores in scored if not scores.regression and not scores.obstacle]

    def kind(scores: ConfigurationScores) -> tuple:
        return (*scores.cell, *labels.of_configuration(scores.key)[:-1])

    return [_picture(key, list(group), common) for key, group in groupby(binary, kind)]


def _picture(
    key: tuple, group: list[ConfigurationScores], common: labels.CommonSettings
) -> Picture:
    smallest, largest = group[0], group[-1]
    models = {
        comparison.title(largest.reference): _diagram(largest, largest.table.reference),
        smallest.key["budget"]: _diagram(smallest, smallest.table.losses[:, 0]),
        largest.key["budget"]: _diagram(largest, largest.table.losses[:, 0]),
    }
    return Picture(
        name=labels.slug("reliability", *key),
        title=labels.cell(group[0].key),
        settings=labels.settings(group, common),
        caption=(
            "Observed frequency over predicted probability, in up to six groups of equal size, "
            "with 95 % block-bootstrap intervals; below, how often each probability was "
            "predicted. One run (the first seed) of the smallest and of the largest model, "
            "uncalibrated, and the reference on the same rows."
        ),
        data=_data(models),
        draw=lambda *axes: _draw(axes, models, tasks.named(group[0].key["task"])),
        size=(4.8, 4.2),
        panels=PANELS,
    )


def _diagram(scores: ConfigurationScores, losses: np.ndarray) -> Diagram:
    # A log loss determines the probability: that of the outcome is the exponential of minus it.
    of_outcome = np.exp(-losses)
    probabilities = np.where(scores.targets > 0.5, of_outcome, 1.0 - of_outcome)
    weights, level = scores.weights[:, 1:], scores.table.bootstrap.level
    groups = reliability(probabilities, scores.targets, weights, bins=GROUPS, level=level)
    return Diagram(groups, probabilities)


def _draw(axes: Sequence[Axes], models: Mapping[str, Diagram], task: protocol.Task) -> None:
    draw_reliability(*axes, models, task)
    legend_below(axes[0], columns=4)


def _data(models: Mapping[str, Diagram]) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame(
            {
                "model": [name] * len(diagram.groups.counts),
                "predicted": diagram.groups.predicted,
                "observed": diagram.groups.observed,
                "low": diagram.groups.low,
                "high": diagram.groups.high,
                "samples": diagram.groups.counts,
            }
        )
        for name, diagram in models.items()
    )
