"""The compute frontier: the lowest loss reached by number of training operations."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from mlxts.evaluation import comparison
from mlxts.protocol import REFERENCES
from mlxts.report import labels
from mlxts.report.figure import Picture, legend_below, levels, powers_of_ten
from mlxts.report.palette import FAINT, MARKERS, shade_of
from mlxts.scaling.configuration_scores import ConfigurationScores


def frontiers(scored: Sequence[ConfigurationScores]) -> list[Picture]:
    """One for each estimable cell of several configurations, over all of them."""
    common = labels.common_settings([scores.key for scores in scored])
    usable = [scores for scores in scored if not scores.obstacle]
    cells = [
        (key, _on_the_same_days(list(group))) for key, group in groupby(usable, lambda o: o.cell)
    ]
    return [_frontier(key, group, common) for key, group in cells if len(group) > 1]


def _on_the_same_days(group: list[ConfigurationScores]) -> list[ConfigurationScores]:
    """Those on as many days as any: losses on other forecast origins compare with none of them."""
    longest = max(group, key=lambda scores: len(scores.table.dates)).table.dates
    return [scores for scores in group if np.array_equal(scores.table.dates, longest)]


def _frontier(
    key: tuple, group: list[ConfigurationScores], common: labels.CommonSettings
) -> Picture:
    rows = sorted((_row(scores, common) for scores in group), key=lambda row: row["flops"])
    lowest = np.minimum.accumulate([row["loss"] for row in rows])
    rows = [row | {"frontier": float(best)} for row, best in zip(rows, lowest, strict=True)]
    unit = group[0].table.unit
    return Picture(
        name=labels.slug("frontier", *key),
        title=labels.cell(group[0].key),
        settings="" if all(scores.mode == "strict" for scores in group) else "Exploratory",
        caption=(
            "Loss over the floating-point operations of training (counted, not timed), each "
            "configuration's mean over seeds, with 95 % intervals paired with the reference. The "
            "line joins the lowest losses so far; the lowest of several losses is optimistic. Only "
            "configurations that were scored on the same days."
        ),
        data=pl.DataFrame(rows, infer_schema_length=None),
        draw=lambda axes: draw_frontier(axes, rows, unit),
    )


def _row(scores: ConfigurationScores, common: labels.CommonSettings) -> dict:
    figures = scores.row()
    return {
        "configuration": labels.configuration(scores.key, common),
        "budget": scores.key["budget"],
        "mode": scores.mode,
        "seeds": figures["seeds"],
        "samples": scores.samples,
        "n_total": scores.n_total,
        "flops": scores.flops,
        "loss": figures["loss"],
        # The reference's own wander is common to all of them and moves no comparison.
        "low": figures["loss_reference"] + figures["difference_low"],
        "high": figures["loss_reference"] + figures["difference_high"],
        **{f"loss_{name}": figures[f"loss_{name}"] for name in REFERENCES},
    }


def draw_frontier(axes: Axes, rows: Sequence[dict], unit: str) -> None:
    """Dots by budget, the frontier as steps, HAR and linear as levels."""
    by_size = sorted(rows, key=lambda row: row["n_total"])
    budgets = list(dict.fromkeys(row["budget"] for row in by_size))
    flops = np.array([row["flops"] for row in rows])
    axes.set_xscale("log")
    axes.step(
        np.r_[flops, flops[-1] * 1.5],
        [*(row["frontier"] for row in rows), rows[-1]["frontier"]],
        where="post", color=FAINT, linewidth=1.2, label="lowest so far",
    )  # fmt: skip
    for index, budget in enumerate(budgets):
        budget_rows = [row for row in rows if row["budget"] == budget]
        loss = np.array([row["loss"] for row in budget_rows])
        ends = np.array([[row["low"], row["high"]] for row in budget_rows])
        axes.errorbar(
            [row["flops"] for row in budget_rows], loss,
            yerr=np.maximum([loss - ends[:, 0], ends[:, 1] - loss], 0.0),
            fmt=MARKERS[index % len(MARKERS)], color=shade_of(index, len(budgets)), markersize=4.5,
            capsize=2.5, elinewidth=1.0, label=budget,
        )  # fmt: skip
    # They as well are fitted on the training years: those of the longest history are to be beaten.
    longest = max(rows, key=lambda row: row["samples"])
    levels(axes, {comparison.title(name): longest[f"loss_{name}"] for name in REFERENCES})
    powers_of_ten(axes)
    axes.set(xlabel="training operations, FLOP", ylabel=f"loss, {unit}")
    legend_below(axes, columns=3)
