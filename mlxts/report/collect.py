"""All that a report is made of, computed once: the ledger, what was scored, laws, verdicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlxts.errors import RunError
from mlxts.evaluation import test_split_log
from mlxts.files import canonical_hash
from mlxts.runs.folder import RunFolder
from mlxts.scaling import (
    axes,
    bootstrap,
    ledger,
    mixed_effects,
    multiple_comparison,
    select,
    verdict,
    walk_forward_ledger,
)
from mlxts.scaling.bootstrap import Draws
from mlxts.scaling.configuration_scores import Scored, scored
from mlxts.scaling.loss_table import LossTable
from mlxts.scaling.mixed_effects import Mixed
from mlxts.scaling.multiple_comparison import Comparison
from mlxts.scaling.select import Selection
from mlxts.scaling.verdict import Judged

AXES = ("parameters", "features", "history", "assets")  # the questions, in their order


@dataclass(frozen=True)
class ReportRun:
    """The records of a run folder."""

    record: dict[str, Any]  # run.json
    summary: dict[str, Any]

    @property
    def id(self) -> str:
        return self.record["run_id"]


@dataclass(frozen=True)
class AxisAnalysis:
    """Cells along one axis, judged; or why there are none."""

    axis: str
    tables: Sequence[LossTable]
    judged: Judged | None
    missing: str | None = None


@dataclass(frozen=True)
class SurfaceAnalysis:
    """A cell over two sizes; without a law where none is defined for the pair."""

    table: LossTable
    drawn: Draws
    selection: Selection | None


@dataclass(frozen=True)
class WalkForwardAnalysis:
    """Walk-forward runs: of each model all windows together, judged along parameters."""

    scored: Sequence[Scored]
    along: AxisAnalysis


@dataclass(frozen=True)
class ReportData:
    """Attributes:
    runs: on the fixed splits, sorted by run id. ledger: of them, see `scaling/ledger.py`.
    split: whose rows. draws, seed: of the bootstrap. tuned: settings left out of recipes.
    scored: every configuration. along: by axis. surfaces: N×D, N×F.
    comparisons: of sizes along N, by cell. mixed: over all cells along N, or None.
    unfinished: ids of selected runs that have no summary yet.
    walked: walk-forward runs, or None.
    """

    runs: Sequence[ReportRun]
    ledger: pl.DataFrame
    split: str
    draws: int
    seed: int
    tuned: Sequence[str]
    scored: Sequence[Scored]
    along: Mapping[str, AxisAnalysis]
    surfaces: Mapping[str, Sequence[SurfaceAnalysis]]
    comparisons: Mapping[str, Comparison]
    mixed: Mixed | None
    unfinished: Sequence[str]
    walked: WalkForwardAnalysis | None

    @property
    def fingerprint(self) -> str:
        """Of everything that decides the figures: losses, configurations, data, code, settings."""
        return canonical_hash(
            {
                "runs": [
                    [run.record.get(name) for name in ("run_id", "config", "data_hash")]
                    for run in self.runs
                ],
                "losses": sha256(self.ledger["loss"].to_numpy().tobytes()).hexdigest(),
                "references": [
                    sha256(self.ledger[f"loss_{name}"].to_numpy().tobytes()).hexdigest()
                    for name in ("har", "linear", "reference")
                ],
                "walked": [scores.row() for scores in self.walked.scored] if self.walked else [],
                "asked": [self.split, self.draws, self.seed, list(self.tuned)],
            }
        )


def gather(
    folders: Sequence[Path],
    *,
    split: str = "validation",
    tuned: Sequence[str] = (),
    draws: int = bootstrap.DRAWS,
    seed: int = 0,
    unfinished: Sequence[Path] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> ReportData:
    """Compute it from finished runs.

    Args:
        split, tuned: see `ledger.build`. draws, seed: of the bootstrap.
        progress: called with each stage.

    Raises:
        RunError, DataError: see `ledger.build` and `axes.tables`.
    """
    folders, walked = walk_forward_ledger.apart(folders)
    if not folders:
        raise RunError(walk_forward_ledger.ALL_WALKED)
    progress(f"{len(folders)} runs into the ledger")
    built = ledger.build(folders, split=split, tuned=tuned)
    runs = sorted((_run(folder) for folder in folders), key=lambda run: run.id)
    progress("skill of every configuration")
    configuration_scores = scored(built, draws=draws, seed=seed)
    opened = _opened(folders, tuned) if split == "validation" else None
    along = {}
    for axis in AXES:
        progress(f"laws and verdicts along {axis}")
        along[axis] = _along(built, opened, axis, draws, seed)
    return ReportData(
        runs=runs,
        ledger=built,
        split=split,
        draws=draws,
        seed=seed,
        tuned=tuple(tuned),
        scored=configuration_scores,
        along=along,
        surfaces={
            axis: _surfaces(built, axis, draws, seed) for axis in ("surface", "features_surface")
        },
        comparisons=_compared(along["parameters"], draws, seed),
        mixed=_mixed(built, along["parameters"], seed),
        unfinished=[folder.name for folder in unfinished],
        walked=_walked(walked, tuned, draws, seed, progress) if walked else None,
    )


def scored_symbols(folders: Sequence[Path]) -> list[tuple[str, str]]:
    """(run id, symbol that is scored) of each run."""
    runs = map(_run, folders)
    return [(run.id, run.record["config"]["data"]["score_on"]) for run in runs]


def _run(folder: Path) -> ReportRun:
    return ReportRun(RunFolder(folder).metadata(), RunFolder(folder).summary())


def _opened(folders: Sequence[Path], tuned: Sequence[str]) -> pl.DataFrame | None:
    """The ledger of test rows that were opened on record; None where none were."""
    evaluated = {evaluation["run"] for evaluation in test_split_log.history()}
    with_test = [f for f in folders if f.name in evaluated and _holds_test(f)]
    return ledger.build(with_test, split="test", tuned=tuned) if with_test else None


def _holds_test(folder: Path) -> bool:
    predicted = RunFolder(folder).predictions()
    scored_on = _run(folder).record["config"]["data"]["score_on"]
    return predicted.filter(split="test", symbol=scored_on).height > 0


def _along(
    built: pl.DataFrame, opened: pl.DataFrame | None, axis: str, draws: int, seed: int
) -> AxisAnalysis:
    try:
        tables = axes.tables(built, axis)
    except RunError as nothing:
        return AxisAnalysis(axis, (), None, str(nothing))
    test = {} if opened is None else _replicates(tables, opened, axis)
    return AxisAnalysis(axis, tables, verdict.judge(tables, test=test, draws=draws, seed=seed))


def _replicates(
    tables: Sequence[LossTable], opened: pl.DataFrame, axis: str
) -> dict[str, LossTable]:
    """By name of a cell the same runs on test, where each of them has been opened."""
    try:
        by_runs = {frozenset(table.runs): table for table in axes.tables(opened, axis)}
    except RunError:
        return {}
    return {t.name: by_runs[frozenset(t.runs)] for t in tables if frozenset(t.runs) in by_runs}


def _walked(
    folders: Sequence[Path],
    tuned: Sequence[str],
    draws: int,
    seed: int,
    progress: Callable[[str], None],
) -> WalkForwardAnalysis:
    progress(f"{len(folders)} walk-forward runs")
    joined = walk_forward_ledger.join(folders, tuned=tuned)
    return WalkForwardAnalysis(
        scored(joined, draws=draws, seed=seed), _along(joined, None, "parameters", draws, seed)
    )


def _surfaces(built: pl.DataFrame, axis: str, draws: int, seed: int) -> list[SurfaceAnalysis]:
    """Cells that hold at least two of each size and are estimable."""
    try:
        tables = axes.tables(built, axis)
    except RunError:
        return []
    whole = [
        table
        for table in tables
        if not table.obstacle and all(len(np.unique(sizes)) > 1 for sizes in table.sizes.T)
    ]
    analyses = []
    if whole:
        all_weights = bootstrap.date_weights(whole, draws=draws, seed=seed)
        for index, (table, weights) in enumerate(zip(whole, all_weights, strict=True)):
            replicates = bootstrap.draw(
                table, weights, seed=seed + 1 + index, widen=table.bootstrap.widening
            )
            # The laws over two sizes are of parameters and samples alone.
            law = select.select(table, replicates) if axis == "surface" else None
            analyses.append(SurfaceAnalysis(table, replicates, law))
    return analyses


def _compared(along: AxisAnalysis, draws: int, seed: int) -> dict[str, Comparison]:
    if along.judged is None:
        return {}
    usable = [table for table in along.tables if table.name in along.judged.draws]
    return {
        table.name: multiple_comparison.compare(table, draws=draws, seed=seed) for table in usable
    }


def _mixed(built: pl.DataFrame, along: AxisAnalysis, seed: int) -> Mixed | None:
    return (
        mixed_effects.over(built, along.tables, along.judged, seed=seed) if along.judged else None
    )
