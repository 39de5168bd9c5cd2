"""Cells along one axis, judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from mlxts.errors import RunError
from mlxts.scaling import axes, verdict
from mlxts.scaling.loss_table import LossTable
from mlxts.scaling.verdict import Judged


@dataclass(frozen=True)
class AxisAnalysis:
    """Attributes:
    axis: a name in `axes.AXES`, or `axes.COLUMNS`.
    tables: of its cells; none where no two runs differ in it and in nothing else.
    judged: None where there is no table.
    """

    axis: str
    tables: Sequence[LossTable]
    judged: Judged | None


def analyse(
    ledger: pl.DataFrame,
    axis: str,
    *,
    opened: pl.DataFrame | None = None,
    panel: pl.DataFrame | None = None,
    draws: int,
    seed: int,
) -> AxisAnalysis:
    """Cut a ledger along an axis and judge every cell.

    Args:
        opened: the ledger of test rows that were opened on record.
        panel: the ledger with the rows of all assets: their mean is judged as well.
    """
    try:
        tables = axes.tables(ledger, axis)
        if panel is not None:
            tables += _panel_tables(panel, axis)
    except RunError:
        return AxisAnalysis(axis, (), None)
    test = {} if opened is None else _replicates(tables, opened, axis)
    return AxisAnalysis(axis, tables, verdict.judge(tables, test=test, draws=draws, seed=seed))


def _panel_tables(ledger: pl.DataFrame, axis: str) -> list[LossTable]:
    try:
        return axes.tables(ledger, axis, panel=True)
    except RunError:  # every run scores one asset
        return []


def _replicates(
    tables: Sequence[LossTable], opened: pl.DataFrame, axis: str
) -> Mapping[str, LossTable]:
    """By name of a cell the same runs on test, where each of them has been opened."""
    try:
        by_runs = {frozenset(table.runs): table for table in axes.tables(opened, axis)}
    except RunError:
        return {}
    return {t.name: by_runs[frozenset(t.runs)] for t in tables if frozenset(t.runs) in by_runs}
