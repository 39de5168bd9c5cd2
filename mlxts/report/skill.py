"""Skill over the reference: the map of all configurations, and year by year."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mlxts.evaluation import comparison
from mlxts.formats import MINUS
from mlxts.report import labels, palette
from mlxts.report.figure import WIDTH, Picture, legend_below
from mlxts.report.palette import MARKERS, shade_of
from mlxts.scaling.configuration_scores import ConfigurationScores

STEPS = (0.005, 0.01, 0.02, 0.05)  # of skill, where the fill of a cell gets one darker
_LABEL = 30  # characters of a line of a row's label
_LINE = 0.15  # inches
_YEARS = 8  # that have room for their digits


@dataclass(frozen=True)
class Grid:
    """What the map shows.

    Attributes:
        rows, columns: labels. common: what all squares share.
        squares: `ConfigurationScores.row` by row and column.
    """

    rows: list[str]
    columns: list[str]
    common: str
    squares: dict[tuple[int, int], dict]


def heat_map(scored: Sequence[ConfigurationScores]) -> list[Picture]:
    """One map of all configurations; none of a single square, which the table says as well."""
    if len(scored) < 2:
        return []
    grid = _grid(scored)
    lines = sum(max(2, 1 + label.count("\n")) for label in grid.rows)
    return [
        Picture(
            name="skill",
            title="Skill over the reference, %",
            settings=grid.common,
            caption=(
                "Mean over seeds of 1 − loss / the loss of the reference, the better of HAR and "
                "linear (of regression and range of the squared errors). Blue is better than the "
                "reference, orange worse; * where the 95 % interval excludes 0; n.e. not "
                "estimable; – not trained."
            ),
            data=pl.DataFrame([scores.row() for scores in scored], infer_schema_length=None),
            draw=lambda axes: draw_map(axes, grid),
            size=(WIDTH, 1.0 + _LINE * lines),
        )
    ]


def _grid(scored: Sequence[ConfigurationScores]) -> Grid:
    """Timescales and horizons across, or, where there is only one, budgets; all else is down."""
    common = labels.common_settings([scores.key for scores in scored])
    tasks = list(dict.fromkeys(scores.key["task"] for scores in scored))
    scales = list(dict.fromkeys(_scale(scores) for scores in scored))
    modes = {scores.mode for scores in scored}
    if len(scales) == 1:
        common |= "budget"
        in_order = sorted(scored, key=lambda scores: scores.n_total)
        columns = list(dict.fromkeys(scores.key["budget"] for scores in in_order))
    else:
        columns = scales
    squares, rows = {}, []
    for scores in scored:
        parts = [scores.key["task"]] * (len(tasks) > 1)
        parts += [labels.symbol(scores.key), labels.configuration(scores.key, common)]
        row = ", ".join(filter(None, parts))
        row = labels.marked(row, scores.mode) if len(modes) > 1 else row
        if row not in rows:
            rows.append(row)
        column = scores.key["budget"] if len(scales) == 1 else _scale(scores)
        squares[rows.index(row), columns.index(column)] = scores.row()
    alike = [names[0] for names in (tasks, scales, [*modes]) if len(names) == 1]
    return Grid(
        rows=["\n".join(textwrap.wrap(row, _LABEL)) for row in rows],
        columns=columns,
        common=", ".join(alike).replace("\n", " "),
        squares=squares,
    )


def _scale(scores: ConfigurationScores) -> str:
    timescale = scores.key["timescale"].replace("daily_multi", "daily multi")
    return f"{timescale}\nH {scores.key['horizon']}"


def draw_map(axes: Axes, grid: Grid) -> None:
    """Squares of skill; what was not trained has a dash."""
    for y in range(len(grid.rows)):
        for x in range(len(grid.columns)):
            row = grid.squares.get((y, x))
            fill, text, color = _square(row)
            missing = row is not None and row["verdict"] == comparison.NOT_ESTIMABLE
            axes.add_patch(
                Rectangle(
                    (x - 0.5, y - 0.5), 1, 1, facecolor=fill or "none", edgecolor="#e3e3e3",
                    linewidth=0.8, hatch="////" if missing else None,
                )
            )  # fmt: skip
            axes.text(x, y, text, ha="center", va="center", fontsize=8, color=color)
    axes.set_xticks(range(len(grid.columns)), grid.columns, fontsize=8)
    axes.set_yticks(range(len(grid.rows)), grid.rows, fontsize=7.5)
    axes.set(xlim=(-0.5, len(grid.columns) - 0.5), ylim=(len(grid.rows) - 0.5, -0.5))
    axes.xaxis.tick_top()
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
    return fill, percent.replace("-", MINUS) + star, on


def by_year(scored: Sequence[ConfigurationScores]) -> list[Picture]:
    """For each cell and kind of configuration of several years: skill of each budget in each."""
    common = labels.common_settings([scores.key for scores in scored]) | "budget"

    def kind(scores: ConfigurationScores) -> tuple:
        return (*scores.cell, *labels.of_configuration(scores.key)[:-1])

    pictures = []
    for key, group in groupby((scores for scores in scored if not scores.obstacle), kind):
        members = list(group)
        rows = [
            row | {"reference": scores.reference} for scores in members for row in scores.years()
        ]
        if len({row["year"] for row in rows}) < 2:
            continue
        pictures.append(
            Picture(
                name=labels.slug("years", *key),
                title=labels.cell(members[0].key),
                settings=labels.settings(members, common),
                caption=(
                    "Skill over the reference (the better of HAR and linear) in the years of the "
                    "decision dates, mean over seeds, with 95 % block-bootstrap intervals, paired "
                    "by date. Above 0 better than the reference."
                ),
                data=pl.DataFrame(rows, infer_schema_length=None),
                draw=lambda axes, rows=rows: draw_years(axes, rows),
                size=(WIDTH, 3.2),
            )
        )
    return pictures


def draw_years(axes: Axes, rows: Sequence[dict]) -> None:
    """Dots with intervals, budgets side by side within a year."""
    years = sorted({row["year"] for row in rows})
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    for index, budget in enumerate(budgets):
        budget_rows = [row for row in rows if row["budget"] == budget]
        offset = (index - (len(budgets) - 1) / 2) * min(0.22, 0.7 / len(budgets))
        x = [years.index(row["year"]) + offset for row in budget_rows]
        skill = np.array([row["skill"] for row in budget_rows])
        ends = np.array([[row["skill_low"], row["skill_high"]] for row in budget_rows])
        errors = np.maximum([skill - ends[:, 0], ends[:, 1] - skill], 0.0)
        axes.errorbar(
            x, 100 * skill, yerr=100 * errors, fmt=MARKERS[index % len(MARKERS)], markersize=3.5,
            color=shade_of(index, len(budgets)), elinewidth=1.1, label=budget,
        )  # fmt: skip
    reference = comparison.title(
        " or ".join(sorted({name for row in rows for name in row["reference"].split(" or ")}))
    )
    label = f"reference: {reference}"
    axes.axhline(0.0, linewidth=1.2, label=label, **palette.line(reference))
    labelled = range(0, len(years), 1 + (len(years) - 1) // _YEARS)
    axes.set_xticks(labelled, [str(years[index]) for index in labelled])
    axes.set(xlim=(-0.6, len(years) - 0.4), xlabel="year", ylabel="skill, %")
    legend_below(axes, columns=4)
