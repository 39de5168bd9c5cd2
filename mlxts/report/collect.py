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
from mlxts.formats import count
from mlxts.report import axis_analysis, walk_forward_study
from mlxts.report.axis_analysis import AxisAnalysis
from mlxts.report.walk_forward_study import WalkForwardAnalysis
from mlxts.runs.folder import WINDOW, RunFolder
from mlxts.scaling import (
    axes,
    bootstrap,
    ledger,
    mixed_effects,
    multiple_comparison,
    select,
    walk_forward_ledger,
)
from mlxts.scaling.bootstrap import Draws
from mlxts.scaling.configuration_scores import ConfigurationScores, scored
from mlxts.scaling.loss_table import LossTable
from mlxts.scaling.mixed_effects import Mixed
from mlxts.scaling.multiple_comparison import Comparison
from mlxts.scaling.select import Selection

AXES = ("parameters", "features", "history", "assets")  # the questions, in their order


@dataclass(frozen=True)
class ReportRun:
    """The metadata and the summary of a run folder."""

    metadata: dict[str, Any]  # run.json
    summary: dict[str, Any]

    @property
    def id(self) -> str:
        return self.metadata["run_id"]


@dataclass(frozen=True)
class SurfaceAnalysis:
    """A cell over two sizes; without a law where none is defined for the pair."""

    table: LossTable
    draws: Draws
    selection: Selection | None


@dataclass(frozen=True)
class ReportData:
    """Attributes:
    runs: on the fixed splits, sorted by run id; where none is, walk-forward runs. ledger: of them,
        see `scaling/ledger.py`. run_rows: one row of it a run.
    split: whose rows. draws, seed: of the bootstrap. tuned: settings that may differ
        between sizes.
    scored: every configuration. along: by axis. surfaces: N×D, N×F.
    comparisons: of sizes along N, by cell. mixed: over all cells along N, or None.
    unfinished: ids of selected runs that have no summary yet.
    walked: walk-forward runs, or None. verdict_rows: of them, see `walk_forward_study`.
    plans: of sweeps that have not been run, see `answers.plan_row`.
    """

    runs: Sequence[ReportRun]
    ledger: pl.DataFrame
    run_rows: pl.DataFrame
    split: str
    draws: int
    seed: int
    tuned: Sequence[str]
    scored: Sequence[ConfigurationScores]
    along: Mapping[str, AxisAnalysis]
    surfaces: Mapping[str, Sequence[SurfaceAnalysis]]
    comparisons: Mapping[str, Comparison]
    mixed: Mixed | None
    unfinished: Sequence[str]
    walked: WalkForwardAnalysis | None
    verdict_rows: Sequence[dict[str, Any]]
    plans: Sequence[Mapping[str, Any]]

    @property
    def fingerprint(self) -> str:
        """Of everything that decides the figures: losses, configurations, data, code, settings."""
        return canonical_hash(
            {
                "runs": [
                    [run.metadata.get(name) for name in ("run_id", "config", "data_hash")]
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
    plans: Sequence[Mapping[str, Any]] = (),
    unfinished: Sequence[Path] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> ReportData:
    """Compute it from finished runs.

    Args:
        split: see `ledger.build`; of walk-forward runs alone it is that of their windows.
        tuned: see `ledger.build`. draws, seed: of the bootstrap.
        progress: called with each stage.

    Raises:
        RunError, DataError: see `ledger.build` and `axes.tables`.
    """
    folders, walked = walk_forward_ledger.apart(folders)
    study = None
    if walked:
        study = walk_forward_study.analyse(
            walked, tuned=tuned, draws=draws, seed=seed, progress=progress
        )
    if study and not folders:
        split, built, along = walk_forward_ledger.SPLIT, study.ledger, study.along
        single = ledger.build(walked, split=WINDOW, tuned=tuned)
        configuration_scores = study.scored
    else:
        progress(f"{count(len(folders), 'run')} into the ledger")
        built = single = ledger.build(folders, split=split, tuned=tuned)
        progress("skill of every configuration")
        configuration_scores = scored(built, draws=draws, seed=seed)
        opened = _opened(folders, tuned) if split == "validation" else None
        along = {}
        for axis in AXES:
            progress(f"laws and verdicts along {axis}")
            along[axis] = axis_analysis.analyse(built, axis, opened=opened, draws=draws, seed=seed)
    return ReportData(
        runs=sorted((_run(folder) for folder in folders or walked), key=lambda run: run.id),
        ledger=built,
        run_rows=single.unique("run", keep="first"),
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
        walked=study,
        verdict_rows=walk_forward_study.verdict_rows(study) if study else [],
        plans=plans,
    )


def scored_symbols(folders: Sequence[Path]) -> list[tuple[str, str]]:
    """(run id, symbol that is scored) of each run on the fixed splits. Raises RunError: none is."""
    fixed, _ = walk_forward_ledger.apart(folders)
    if not fixed:
        raise RunError("walk-forward runs have no test split to open; leave --split out")
    runs = map(_run, fixed)
    return [(run.id, run.metadata["config"]["data"]["score_on"]) for run in runs]


def _run(folder: Path) -> ReportRun:
    return ReportRun(RunFolder(folder).metadata(), RunFolder(folder).summary())


def _opened(folders: Sequence[Path], tuned: Sequence[str]) -> pl.DataFrame | None:
    """The ledger of test rows that were opened on record; None where none were."""
    evaluated = {evaluation["run"] for evaluation in test_split_log.history()}
    with_test = [f for f in folders if f.name in evaluated and _holds_test(f)]
    return ledger.build(with_test, split="test", tuned=tuned) if with_test else None


def _holds_test(folder: Path) -> bool:
    predicted = RunFolder(folder).predictions()
    scored_on = _run(folder).metadata["config"]["data"]["score_on"]
    return predicted.filter(split="test", symbol=scored_on).height > 0


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
