"""From a fitted cell to its figure: sizes, runs, laws and bands, and the same as a table."""

from collections.abc import Callable

import numpy as np
import polars as pl

from mlxts.evaluation import comparison
from mlxts.protocol import REFERENCES
from mlxts.report.law_figure import Law, LawPanel, LawSurface
from mlxts.scaling.bootstrap import Draws
from mlxts.scaling.loss_table import LossTable
from mlxts.scaling.select import Selection

BEYOND = 4.0  # laws are drawn to this multiple of the largest size
_POINTS = 80
_OTHERS = 3  # laws drawn besides the chosen one
_CSV = {
    "kind": pl.String, "name": pl.String, "size": pl.Float64, "samples": pl.Float64,
    "loss": pl.Float64, "low": pl.Float64, "high": pl.Float64,
}  # fmt: skip


def panel(
    table: LossTable,
    replicates: Draws,
    selection: Selection,
    subtitle: str,
    unit: str,
) -> LawPanel:
    """What is drawn of a fit along one axis."""
    sizes = table.rungs[:, 0]
    grid = np.unique(np.r_[np.geomspace(sizes[0], BEYOND * sizes[-1], _POINTS), sizes[-1]])
    shared, ends = paired(replicates)

    def law(name: str) -> Law:
        curves = selection.fits[name].predict(grid[:, None])
        low, high = np.percentile(curves[1:] - shared[1:, None], (2.5, 97.5), axis=0)
        share = selection.frequencies[name]
        return Law(f"{name} ({share:.0%})", curves[0], low, high)

    others = sorted(
        (name for name in selection.fits if name != selection.chosen),
        key=lambda name: -selection.frequencies[name],
    )[:_OTHERS]
    return LawPanel(
        title=table.name,
        subtitle=subtitle,
        unit=unit,
        sizes=sizes,
        losses=replicates.rungs[0],
        low=ends[0],
        high=ends[1],
        run_sizes=table.sizes[:, 0],
        run_losses=replicates.runs[0],
        grid=grid,
        chosen=law(selection.chosen),
        others=[law(name) for name in others],
        levels=_levels(replicates),
        loss_unit=table.unit,
    )


def surface(
    table: LossTable,
    replicates: Draws,
    subtitle: str,
    selection: Selection | None = None,
    *,
    steps: Callable[[float], str] = "{:,.0f} samples".format,
) -> LawSurface:
    """What is drawn of losses over two sizes; without a selection what was measured is joined.

    Args:
        table: of two size axes; the first is horizontal, each value of the second has a curve.
        steps: the label of one of the second sizes.
    """
    _, ends = paired(replicates)
    grid = np.geomspace(table.rungs[:, 0].min(), BEYOND * table.rungs[:, 0].max(), _POINTS)
    seconds = np.unique(table.rungs[:, 1])
    curves = []
    if selection:
        law, share = selection.fits[selection.chosen], selection.frequencies[selection.chosen]
        subtitle = ", ".join(filter(None, (f"{selection.chosen} ({share:.0%})", subtitle)))
        curves = [
            law.predict(np.column_stack([grid, np.full(len(grid), second)]))[0]
            for second in seconds
        ]
    return LawSurface(
        title=table.name,
        subtitle=subtitle,
        sizes=table.rungs,
        losses=replicates.rungs[0],
        low=ends[0],
        high=ends[1],
        grid=grid,
        curves=curves,
        steps=[steps(second) for second in seconds],
        levels=_levels(replicates),
        loss_unit=table.unit,
    )


def paired(replicates: Draws) -> tuple[np.ndarray, np.ndarray]:
    """(B + 1,) what the market adds to every loss of a draw, and (2, K) ends without it.

    The level of the market is common to all sizes and moves no comparison: the reference's own
    wander over the drawn dates is taken out of every band.
    """
    shared = replicates.reference - replicates.reference[0]
    return shared, np.percentile(replicates.rungs[1:] - shared[1:, None], (2.5, 97.5), axis=0)


def panel_data(panel: LawPanel) -> pl.DataFrame:
    """Everything that a panel draws, one row a point: kind, name, size, loss, low, high."""
    rows: list[tuple] = [
        ("mean over seeds", "", *row)
        for row in _aligned(panel.sizes, panel.losses, panel.low, panel.high)
    ]
    rows += [
        ("run", "", float(size), None, float(loss), None, None)
        for size, loss in zip(panel.run_sizes, panel.run_losses, strict=True)
    ]
    for law in (panel.chosen, *panel.others):
        rows += [
            ("law", law.name, *row) for row in _aligned(panel.grid, law.loss, law.low, law.high)
        ]
    rows += [("level", name, None, None, level, None, None) for name, level in panel.levels.items()]
    return pl.DataFrame(rows, schema=_CSV, orient="row").drop("samples")


def surface_data(surface: LawSurface, second: str) -> pl.DataFrame:
    """Everything that a surface draws; `second` names its second size."""
    rows: list[tuple] = [
        (
            "mean over seeds",
            "",
            float(size[0]),
            float(size[1]),
            float(loss),
            float(low),
            float(high),
        )
        for size, loss, low, high in zip(
            surface.sizes, surface.losses, surface.low, surface.high, strict=True
        )
    ]
    for second_size, curve in zip(np.unique(surface.sizes[:, 1]), surface.curves, strict=False):
        rows += [
            ("law", "", float(size), float(second_size), float(loss), None, None)
            for size, loss in zip(surface.grid, curve, strict=True)
        ]
    rows += [
        ("level", name, None, None, level, None, None) for name, level in surface.levels.items()
    ]
    return pl.DataFrame(rows, schema=_CSV, orient="row").rename({"samples": second})


def _aligned(sizes: np.ndarray, losses: np.ndarray, low: np.ndarray, high: np.ndarray):
    for size, loss, below, above in zip(sizes, losses, low, high, strict=True):
        yield float(size), None, float(loss), float(below), float(above)


def _levels(replicates: Draws) -> dict[str, float]:
    references = {
        comparison.title(name): float(getattr(replicates, name)[0]) for name in REFERENCES
    }
    return {**references, "base rate": float(replicates.prior[0])}
