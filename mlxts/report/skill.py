"""Skill over the reference: the map of the 48 cells, and year by year."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mlxts import protocol
from mlxts.evaluation import comparison
from mlxts.report import labels, palette
from mlxts.report.figure import Picture, legend_below
from mlxts.report.law_figure import MARKERS, shade_of
from mlxts.scaling.configuration_scores import ConfigurationScores

STEPS = (0.005, 0.01, 0.02, 0.05)  # of skill, where the fill of a cell gets one darker


def maps(scored: Sequence[ConfigurationScores]) -> list[Picture]:
    """One map for each configuration, the one with most cells first."""
    common = labels.common_settings([scores.key for scores in scored])
    groups: dict[tuple, list[ConfigurationScores]] = {}
    for scores in scored:
        groups.setdefault(labels.of_configuration(scores.key), []).append(scores)
    ordered = sorted(groups.values(), key=lambda group: (-len(group), group[0].n_total))
    return [_map(group, common) for group in ordered]


def _map(group: list[ConfigurationScores], common: labels.CommonSettings) -> Picture:
    rows = [scores.row() for scores in group]
    cells = {
        (row["task"], row["timescale"]): row
        for row in rows
        if row["horizon"] == protocol.TIMESCALES[row["timescale"]].horizon
    }
    mode = "strict" if all(scores.mode == "strict" for scores in group) else "exploratory"
    settings = labels.configuration(group[0].key, common)
    return Picture(
        name=labels.slug("skill", *labels.of_configuration(group[0].key)),
        title=labels.marked(settings, mode),
        caption=(
            "Skill in percent over the reference, the better of HAR and linear (1 − loss / the "
            "reference's loss; regression: squared error), mean over seeds. Blue is better than "
            "the reference, orange worse; * where the 95 % interval excludes 0; n.e. not "
            "estimable; – not trained. Each timescale at its own horizon."
        ),
        data=pl.DataFrame(rows, infer_schema_length=None),
        draw=lambda axes: draw_map(axes, cells),
        size=(4.8, 3.1),
    )


def draw_map(axes: Axes, cells: dict[tuple[str, str], dict]) -> None:
    """Tasks down, timescales across; `cells`: `ConfigurationScores.row` by task and timescale."""
    scored = {task for task, _ in cells}
    tasks = [name for name, task in protocol.TASKS.items() if task.strict or name in scored]
    scales = list(protocol.TIMESCALES)
    for y, task in enumerate(tasks):
        for x, scale in enumerate(scales):
            row = cells.get((task, scale))
            fill, text, color = _square(row)
            missing = row is not None and row["verdict"] == comparison.NOT_ESTIMABLE
            axes.add_patch(
                Rectangle(
                    (x - 0.5, y - 0.5), 1, 1, facecolor=fill or "none", edgecolor="#e3e3e3",
                    linewidth=0.8, hatch="////" if missing else None,
                )
            )  # fmt: skip
            axes.text(x, y, text, ha="center", va="center", fontsize=7.5, color=color)
    names = [f"{s}\nH {protocol.TIMESCALES[s].horizon}" for s in scales]
    names = [name.replace("daily_multi", "daily\nmulti") for name in names]
    axes.set_xticks(range(len(scales)), names, fontsize=7.5)
    axes.set_yticks(range(len(tasks)), tasks, fontsize=8)
    axes.set(xlim=(-0.5, len(scales) - 0.5), ylim=(len(tasks) - 0.5, -0.5))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _square(row: dict | None) -> tuple[str | None, str, str]:
    """Fill, text and the text's colour of a cell."""
    if row is None:
        return None, "–", "#999999"
    if row["verdict"] == comparison.NOT_ESTIMABLE:
        return None, "n.e.", "#000000"
    skill = row["skill"]
    shades = palette.BETTER if skill >= 0 else palette.WORSE
    fill = shades[int(np.searchsorted(STEPS, abs(skill), side="right"))]
    percent = f"{100 * skill:+.1f}" if abs(skill) < 0.0995 else f"{100 * skill:+.0f}"
    percent = "0.0" if percent in ("+0.0", "-0.0") else percent
    star = "" if row["verdict"] == comparison.SAME else "*"
    on = palette.ON_DARK if fill in palette.DARK_FILLS else palette.ON_LIGHT
    return fill, percent.replace("-", "−") + star, on


def by_year(scored: Sequence[ConfigurationScores]) -> list[Picture]:
    """For each cell and kind of configuration: skill of each budget in each year."""
    common = labels.common_settings([scores.key for scores in scored]) | "budget"

    def kind(scores: ConfigurationScores) -> tuple:
        return (*scores.cell, *labels.of_configuration(scores.key)[:-1])

    pictures = []
    for key, group in groupby((scores for scores in scored if not scores.obstacle), kind):
        members = list(group)
        first = members[0].key
        settings = labels.configuration(first, common)
        rows = [row for scores in members for row in scores.years()]
        pictures.append(
            Picture(
                name=labels.slug("years", *key),
                title=labels.marked(f"{labels.cell(first)}: {settings}", _mode(members)),
                caption=(
                    "Skill over the reference (the better of HAR and linear) in the years of the "
                    "decision dates, mean over seeds, with 95 % block-bootstrap intervals, paired "
                    "by date. Above 0 better than the reference."
                ),
                data=pl.DataFrame(rows, infer_schema_length=None),
                draw=lambda axes, rows=rows: draw_years(axes, rows),
                size=(4.8, 3.2),
            )
        )
    return pictures


def draw_years(axes: Axes, rows: Sequence[dict]) -> None:
    """Dots with intervals, budgets side by side within a year."""
    years = sorted({row["year"] for row in rows})
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    for index, budget in enumerate(budgets):
        budget_rows = [row for row in rows if row["budget"] == budget]
        offset = (index - (len(budgets) - 1) / 2) * min(0.16, 0.7 / len(budgets))
        x = [years.index(row["year"]) + offset for row in budget_rows]
        skill = np.array([row["skill"] for row in budget_rows])
        ends = np.array([[row["skill_low"], row["skill_high"]] for row in budget_rows])
        errors = np.maximum([skill - ends[:, 0], ends[:, 1] - skill], 0.0)
        axes.errorbar(
            x, 100 * skill, yerr=100 * errors, fmt=MARKERS[index % len(MARKERS)], markersize=4.5,
            color=shade_of(index, len(budgets)), capsize=2.5, elinewidth=1.1, label=budget,
        )  # fmt: skip
    axes.axhline(0.0, color="C1", linewidth=1.2, label="reference")
    axes.set_xticks(range(len(years)), [str(year) for year in years])
    axes.set(xlim=(-0.6, len(years) - 0.4), xlabel="year", ylabel="skill over the reference, %")
    legend_below(axes, columns=4)


def _mode(group: Sequence[ConfigurationScores]) -> str:
    return "strict" if all(scores.mode == "strict" for scores in group) else "exploratory"
