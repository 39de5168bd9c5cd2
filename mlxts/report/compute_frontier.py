"""The compute frontier: the lowest loss reached by number of training operations."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mlxts import formats
from mlxts.evaluation import comparison
from mlxts.protocol import REFERENCES
from mlxts.report import labels
from mlxts.report.figure import Picture, legend_below
from mlxts.report.law_figure import MARKERS, shade_of
from mlxts.scaling.configuration_scores import ConfigurationScores


def frontiers(scored: Sequence[ConfigurationScores]) -> list[Picture]:
    """One for each estimable cell, over all of its configurations."""
    common = labels.common_settings([scores.key for scores in scored])
    usable = [scores for scores in scored if not scores.obstacle]
    cells = [(key, list(group)) for key, group in groupby(usable, lambda o: o.cell)]
    return [_frontier(key, _on_the_same_days(group), common) for key, group in cells]


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
    mode = "strict" if all(scores.mode == "strict" for scores in group) else "exploratory"
    unit = group[0].table.unit
    return Picture(
        name=labels.slug("frontier", *key),
        title=labels.marked(labels.cell(group[0].key), mode),
        caption=(
            "Loss over the floating-point operations of training (counted, not timed), each "
            "configuration's mean over seeds, with 95 % intervals paired with the reference. The "
            "line joins the lowest losses so far; the lowest of several losses is optimistic. Only "
            "configurations that were scored on the same days."
        ),
        data=pl.DataFrame(rows, infer_schema_length=None),
        draw=lambda axes: draw_frontier(axes, rows, unit),
    )


def _short(count: float) -> str:
    """5000000000.0 -> 5e9, 2120000000000.0 -> 2.12e12."""
    mantissa, exponent = f"{count:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


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
        where="post", color="C2", linewidth=1.2, label="lowest so far",
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
    for name, style in zip(REFERENCES, ("-", "--"), strict=True):
        level = longest[f"loss_{name}"]
        label = f"{comparison.title(name)} {formats.loss(level)}"
        axes.axhline(level, color="C1", linestyle=style, linewidth=1.2, label=label)
    if flops[-1] < 4 * flops[0]:  # a log scale would have one tick or the same label twice
        axes.xaxis.set_major_locator(MaxNLocator(4))
    else:
        few = flops[-1] < 100 * flops[0]  # decades alone would leave a tick or none
        subs = (1.0, 2.0, 5.0) if few else (1.0,)
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=7))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: _short(count)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="training operations, FLOP", ylabel=f"loss, {unit}")
    legend_below(axes, columns=3)
