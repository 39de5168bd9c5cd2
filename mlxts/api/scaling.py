"""Is it scaling? The verdict on runs of several sizes, by rules fixed beforehand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from mlxts.api.saved_run import Run
from mlxts.api.selected_runs import complete_predictions, silent, some_runs
from mlxts.scaling import axes, bootstrap, ledger, results, select, verdict
from mlxts.scaling.loss_table import LossTable
from mlxts.scaling.verdict import Judged
from mlxts.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Axis = Literal["parameters", "compute", "features", "history", "assets"]


@dataclass(frozen=True)
class ScalingVerdict:
    """The verdict on some runs along an axis, see `scaling_verdict`.

    Attributes:
        axis: that was varied. draws, seed: of the bootstrap.
    """

    axis: Axis
    draws: int
    seed: int
    _tables: Sequence[LossTable]
    _judged: Judged

    @property
    def sentences(self) -> list[str]:
        """One for each task and data set, or for all of them together."""
        claims = verdict.claims(self._judged, self._tables)
        return [results.sentence(claim, self.axis) for claim in claims]

    @property
    def cells(self) -> pl.DataFrame:
        """A row for each: name, label, gain per tenfold size with its intervals, margin, reason."""
        rows = [
            {key: value for key, value in row.items() if not isinstance(value, list | tuple | dict)}
            for row in self._table.rows
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    @property
    def _table(self) -> Table:
        return results.verdicts(self._judged, self.axis)

    def _repr_html_(self) -> str:
        from markupsafe import Markup

        paragraphs = (Markup("<p>{}</p>").format(sentence) for sentence in self.sentences)
        return self._table.html(sortable=False) + Markup("").join(paragraphs)

    def plot(self) -> "Figure":
        """Loss over size, with the law that extrapolates best, of the first task and data set."""
        from mlxts.report import law_figure, law_panels

        table = self._tables[0]
        (weights,) = bootstrap.date_weights([table], draws=self.draws, seed=self.seed)
        replicates = bootstrap.draw(
            table, weights, seed=self.seed + 1, widen=table.bootstrap.widening
        )
        chosen = select.select(table, replicates)
        unit = axes.AXES[self.axis].unit
        return law_figure.shown(law_panels.panel(table, replicates, chosen, "", unit))


def scaling_verdict(
    runs: Iterable[Run | str | Path] = (),
    axis: Axis = "parameters",
    *,
    draws: int = bootstrap.DRAWS,
    seed: int = 0,
) -> ScalingVerdict:
    """Scaling, inverse, flat, inconclusive or not estimable, on validation.

        rows = mlxts.sweep({"name": "sizes", "axes": {"budget": ["0.02M", "0.2M"]}}, data=bars)
        mlxts.scaling_verdict(rows["run_id"]).sentences

    Args:
        runs: runs, their ids, or names of sweeps and studies; none: all of the workspace.
        axis: the size that is varied.
        draws, seed: of the bootstrap.

    Raises:
        RunError: no such run, or no two sizes of one kind.

    Source:
        docs/research_paper/preregistration.md gives the rules.
    """
    names = [str(run.folder) if isinstance(run, Run) else str(run) for run in runs]
    folders = some_runs(names, silent).finished
    complete_predictions(folders, silent)
    tables = axes.tables(ledger.build(folders), axis)
    return ScalingVerdict(axis, draws, seed, tables, verdict.judge(tables, draws=draws, seed=seed))
