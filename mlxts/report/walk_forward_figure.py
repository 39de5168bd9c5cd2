"""The walk-forward figure: network minus reference by size, and the band of *flat*."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from mlxts.evaluation import comparison
from mlxts.formats import loss
from mlxts.report import answers, labels, palette
from mlxts.report.answers import Row
from mlxts.report.figure import Picture, legend_below
from mlxts.report.palette import MARKERS, NETWORK, SHADES

_COLOURS = (NETWORK, SHADES[0], SHADES[-1])
_OF = {"history": "training samples", "assets": "pooled assets"}
_BESIDE = 1.12  # how far the next series stands beside the one before, on the log axis
_BEYOND = 1.6  # the band reaches this multiple beyond both ends
_SCHEMA = {
    "series": pl.String, "kind": pl.String, "size": pl.Float64, "difference": pl.Float64,
    "low": pl.Float64, "high": pl.Float64,
}  # fmt: skip


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """One for each axis with sizes, of the rows that its answer is made of; compute has the points
    of parameters."""
    found = []
    for axis in dict.fromkeys(row["axis"] for row in rows if row["axis"] != "compute"):
        main = answers.main_rows(row for row in rows if row["axis"] == axis)
        drawn = [row for row in main if row["points"] and not row["paired"]]
        if drawn:
            found.append(_picture(axis, drawn))
    return found


def _picture(axis: str, rows: Sequence[Row]) -> Picture:
    first = rows[0]
    return Picture(
        name=labels.slug("walk-forward", axis),
        title=f"{labels.cell(first)} by {_OF.get(axis, axis)}",
        settings=", ".join(f"{_name(row)}: **{row['label']}**" for row in rows),
        caption=(
            f"Loss of the network minus that of its reference ({_references(rows)}) on the same "
            f"days, {first['first'][:4]} to {first['last'][:4]}, out of sample; below zero the "
            "network is better. Squares: means over seeds with 95 % block-bootstrap intervals, "
            "paired by date; dots beside them: single seeds. Shaded: slopes within the margin of "
            f"flat, through the mean point of {_name(first)}. The reference is chosen at each "
            "origin by cross-validation before it."
        ),
        data=_data(rows),
        draw=lambda axes: draw(axes, rows),
        size=(4.8, 4.8),
    )


def _references(rows: Sequence[Row]) -> str:
    return " or ".join(dict.fromkeys(comparison.title(row["reference"]) for row in rows))


def _name(row: Row) -> str:
    origins = row["origins"]
    return f"{answers.where(row)}, {origins} origin{'s' * (origins > 1)}"


def _arrays(row: Row) -> tuple[np.ndarray, ...]:
    points = row["points"]
    keys = ("size", "difference", "difference_low", "difference_high")
    return tuple(np.array([point[key] for point in points]) for key in keys)


def band(row: Row) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(m,) sizes, and the ends of slopes within the margin through the mean point."""
    sizes, means, *_ = _arrays(row)
    middle = np.log10(sizes).mean()
    grid = np.r_[sizes.min() / _BEYOND, 10**middle, sizes.max() * _BEYOND]
    away = row["margin"] * np.abs(np.log10(grid) - middle)
    return grid, means.mean() - away, means.mean() + away


def draw(axes: Axes, rows: Sequence[Row]) -> None:
    """The first row's band of flat, every row as a series, and the reference as zero."""
    axes.set_xscale("log")
    if rows[0]["margin"] > 0:
        label = f"flat: slope within ±{loss(rows[0]['margin'])} per tenfold size"
        axes.fill_between(*band(rows[0]), color=NETWORK, alpha=0.12, linewidth=0, label=label)
    for index, row in enumerate(rows):
        colour, name = _COLOURS[index % len(_COLOURS)], _name(row)
        sizes, means, low, high = _arrays(row)
        x = sizes * _BESIDE**index
        axes.errorbar(
            x, means, yerr=np.maximum([means - low, high - means], 0.0), color=colour,
            fmt=f"{MARKERS[index]}-", markersize=5, linewidth=1.0, capsize=3, elinewidth=1.2,
            zorder=4, label=f"{name}: {row['label']}",
        )  # fmt: skip
        for place, point in zip(x, row["points"], strict=True):
            if len(point["seeds"]) < 2:  # a single seed is its mean
                continue
            axes.plot(
                [place / _BESIDE**0.7] * len(point["seeds"]), point["seeds"], "o", color=colour,
                alpha=0.6, markersize=3.5, markeredgewidth=0, zorder=5,
            )  # fmt: skip
    reference = _references(rows)
    label, style = f"reference: {reference}", palette.line(reference)
    axes.axhline(0.0, linewidth=1.3, zorder=3, label=label, **style)
    for name, level in rows[0]["levels"].items():
        if level:
            label = f"{comparison.title(name)} alone"
            axes.axhline(level, linewidth=1.2, label=label, **palette.line(name))
    axes.margins(y=0.08)
    sizes = sorted({size for row in rows for size in row["sizes"]})
    axis = rows[0]["axis"]
    ticks = {answers.size_text(axis, size): size for size in sizes}  # panels differ by a few
    axes.xaxis.set_major_locator(FixedLocator([*ticks.values()]))
    axes.xaxis.set_major_formatter(FixedFormatter([*ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(
        xlabel=answers.UNITS[axis], ylabel=f"difference of losses, {rows[0]['unit']}",
        xlim=(sizes[0] / _BEYOND, sizes[-1] * _BEYOND),
    )  # fmt: skip
    legend_below(axes, columns=1)


def _data(rows: Sequence[Row]) -> pl.DataFrame:
    table: list[tuple] = []
    for row in rows:
        name = _name(row)
        for point in row["points"]:
            table.append(
                (name, "mean over seeds", point["size"], point["difference"],
                 point["difference_low"], point["difference_high"])
            )  # fmt: skip
            table += [(name, "seed", point["size"], one, None, None) for one in point["seeds"]]
        table += [(name, one, None, level, None, None) for one, level in row["levels"].items()]
        table += [
            (name, "flat", float(size), None, float(low), float(high))
            for size, low, high in zip(*band(row), strict=True)
        ]
    return pl.DataFrame(table, schema=_SCHEMA, orient="row")
