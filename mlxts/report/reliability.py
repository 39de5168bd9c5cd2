"""Do events called at 20 % happen in 20 % of the cases? The smallest and the largest model,
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
from mlxts.report import words
from mlxts.report.figure import Picture, legend_below
from mlxts.report.run_figure import GROUPS, draw_reliability
from mlxts.scaling.configuration_scores import Scored


def diagrams(scored: Sequence[Scored]) -> list[Picture]:
    """One for each binary cell and kind of configuration that is estimable."""
    unsaid = words.unsaid([one.key for one in scored]) | "budget"
    binary = [one for one in scored if not one.regression and not one.obstacle]

    def kind(one: Scored) -> tuple:
        return (*one.cell, *words.of_configuration(one.key)[:-1])

    return [_diagram(key, list(group), unsaid) for key, group in groupby(binary, kind)]


def _diagram(key: tuple, own: list[Scored], unsaid: words.CommonSettings) -> Picture:
    smallest, largest = own[0], own[-1]
    shown = {
        largest.key["budget"]: _of(largest, largest.table.losses[:, 0]),
        comparison.title(largest.reference): _of(largest, largest.table.reference),
    }
    if smallest is not largest:
        shown[smallest.key["budget"]] = _of(smallest, smallest.table.losses[:, 0])
    task = protocol.TASKS[own[0].key["task"]]
    mode = "strict" if all(one.mode == "strict" for one in own) else "exploratory"
    said = words.configuration(own[0].key, unsaid)
    return Picture(
        name=words.slug("reliability", *key),
        title=words.marked(f"{words.cell(own[0].key)}: {said}", mode),
        caption=(
            "Observed frequency over predicted probability, in up to six groups of equal size, "
            "with 95 % block-bootstrap intervals; one run (the first seed) of the smallest and of "
            "the largest model, uncalibrated, and the reference on the same rows."
        ),
        data=_data(shown),
        draw=lambda axes: _draw(axes, shown, task),
    )


def _of(one: Scored, losses: np.ndarray) -> Reliability:
    # A log loss says the probability exactly: of what happened it is the exponential of minus it.
    of_outcome = np.exp(-losses)
    probabilities = np.where(one.targets > 0.5, of_outcome, 1.0 - of_outcome)
    weights, level = one.weights[:, 1:], one.table.bootstrap.level
    return reliability(probabilities, one.targets, weights, bins=GROUPS, level=level)


def _draw(axes: Axes, shown: dict[str, Reliability], task: protocol.Task) -> None:
    draw_reliability(axes, shown, task)
    legend_below(axes, columns=4)


def _data(shown: dict[str, Reliability]) -> pl.DataFrame:
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
        for name, diagram in shown.items()
    )
