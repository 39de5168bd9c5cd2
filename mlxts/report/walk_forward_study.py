"""The walk-forward design: each axis that its runs vary, judged on all windows together.

Estimands are the loss of the scored asset and, where runs score several, that of their panel.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlxts.evaluation.block_bootstrap import BlockBootstrap
from mlxts.formats import count
from mlxts.protocol import REFERENCES
from mlxts.report import axis_analysis
from mlxts.report.axis_analysis import AxisAnalysis
from mlxts.scaling import bootstrap, walk_forward_ledger
from mlxts.scaling.configuration_scores import ConfigurationScores, scored
from mlxts.scaling.loss_table import LossTable
from mlxts.scaling.over_reference import ALONE, OVER, differ
from mlxts.scaling.run_table import PANEL
from mlxts.scaling.verdict import Verdict

AXES = ("parameters", "compute", "features", "history", "assets", "columns")


@dataclass(frozen=True)
class WalkForwardAnalysis:
    """Attributes:
    ledger: of the scored assets, a model at all of its origins is one run.
    scored: every configuration. along: by axis of `AXES`.
    draws, seed: of the bootstrap.
    """

    ledger: pl.DataFrame
    scored: Sequence[ConfigurationScores]
    along: Mapping[str, AxisAnalysis]
    draws: int
    seed: int


def analyse(
    folders: Sequence[Path],
    *,
    tuned: Sequence[str] = (),
    draws: int,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> WalkForwardAnalysis:
    """Judge walk-forward runs. Raises RunError, DataError: see `walk_forward_ledger.join`."""
    progress(count(len(folders), "walk-forward run"))
    everything = walk_forward_ledger.join(folders, tuned=tuned, alike=False)
    panel = None
    if (everything["assets"] > 1).any():
        panel = walk_forward_ledger.join(folders, tuned=tuned, every_asset=True, alike=False)
    along = {}
    for axis in AXES:
        progress(f"verdicts along {axis}, walk-forward")
        along[axis] = axis_analysis.analyse(everything, axis, panel=panel, draws=draws, seed=seed)
    return WalkForwardAnalysis(
        everything, scored(everything, draws=draws, seed=seed), along, draws, seed
    )


def verdict_rows(analysis: WalkForwardAnalysis) -> list[dict[str, Any]]:
    """Every verdict with its design, and the points of its figure.

    Levels are of HAR and linear, over the reference. A point is a size: the network's loss minus
    its own reference's on the same data, mean over seeds, with its 95 % interval and that of each
    seed.
    """
    runs = {row["run"]: row for row in analysis.ledger.unique("run").iter_rows(named=True)}
    rows = []
    for along in analysis.along.values():
        if along.judged is None:
            continue
        for table, cell in zip(along.tables, along.judged.cells, strict=True):
            estimands = table.pool.estimand.split(", ")
            part = next((p for p in (OVER, ALONE) if p in estimands), "")
            points = not part and cell.name in along.judged.draws
            row = _row(along.axis, table, cell, runs[table.runs[0]])
            row |= {"part": part, "panel": PANEL in estimands}
            row["cells"] = next((e.split(" → ") for e in estimands if " → " in e), [])
            row["points"] = _points(table, analysis.draws, analysis.seed) if points else []
            row["levels"] = _levels(table) if points else {}
            rows.append(row)
    return rows


def _row(axis: str, table: LossTable, cell: Verdict, run: Mapping[str, Any]) -> dict[str, Any]:
    figures = cell.to_dict()
    names = (
        "name", "word", "label", "reason", "unit", "gain", "margin", "seen", "certified", "p",
        "q", "extrapolation", "reference", "n_eff_assets", "paired",
    )  # fmt: skip
    return {
        "axis": axis,
        **{name: run[name] for name in ("task", "timescale", "horizon", "symbol", "budget")},
        "settings": run["non_default_settings"],
        **{name: figures[name] for name in names},
        "gain_low": cell.interval[0],
        "gain_high": cell.interval[1],
        "sizes": [float(size) for size in table.rungs[:, 0]],
        "seeds": [int(count) for count in table.seeds],
        "dates": len(table.dates),
        "first": str(table.dates.min()),
        "last": str(table.dates.max()),
        "origins": 0 if table.origins is None else len(np.unique(table.origins)),
        "assets": table.assets,
    }


def _levels(table: LossTable) -> dict[str, float]:
    """The losses of HAR and linear minus the reference's, where all sizes have the same.

    The reference is chosen at each origin by cross-validation before it; over all of them it may
    lose to one of the two.
    """
    if differ(table):
        return {}
    return {name: float((getattr(table, name) - table.reference).mean()) for name in REFERENCES}


def _points(table: LossTable, draws: int, seed: int) -> list[dict[str, Any]]:
    assert table.references is not None
    over = replace(table, losses=table.losses - table.references + table.reference[:, None])
    blocks = BlockBootstrap(table.dates, table.horizon, table.spacing)
    drawn = bootstrap.draw(over, blocks.weights(draws, seed), seed=seed)
    points = []
    for index, size in enumerate(table.rungs[:, 0]):
        difference = drawn.rungs[:, index] - drawn.reference
        low, high = blocks.interval(difference)
        own = drawn.runs[0, table.rung_of_run == index] - drawn.reference[0]
        points.append(
            {
                "size": float(size),
                "difference": float(difference[0]),
                "difference_low": low,
                "difference_high": high,
                "seeds": [float(one) for one in own],
            }
        )
    return points
