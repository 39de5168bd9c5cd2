"""The picture of one run: its losses beside the references, and its reliability beside HAR's."""

from pathlib import Path

import polars as pl

from mlxts import experiment, run_files
from mlxts.dataset.samples import Dataset
from mlxts.evaluation import comparison, runs, score
from mlxts.evaluation.comparison import primary
from mlxts.evaluation.reference import fit_baselines
from mlxts.protocol import BASELINE, REFERENCES
from mlxts.report.run_figure import run_picture
from mlxts.training import log


def draw(folder: Path, dataset: Dataset, split: str = "validation") -> Path:
    """Draw `picture.png` into a finished run's folder and return its path.

    Raises:
        DataError: the run has no predictions yet.
        StorageError: the picture cannot be written.
    """
    own = experiment.predictions_of(folder)
    har = fit_baselines(dataset, (split,), [BASELINE]).tables
    rows = log.read(folder / log.METRICS)
    models = {runs.MODEL: own} | {name.upper(): table for name, table in har.items()}
    path = folder / "picture.png"
    run_picture(
        path,
        f"{dataset.task.name}, H = {dataset.horizon}, {dataset.score_on}, {split} "
        f"({dataset.splits_title} splits)",
        rows,
        {name: _scored(table, split, dataset.score_on) for name, table in models.items()},
        dataset.task,
        dataset.horizon,
        references=_reference_losses(folder, split)
        if primary(dataset.task) == "log_loss"
        else None,
    )
    return path


def _scored(table: pl.DataFrame, split: str, symbol: str) -> pl.DataFrame:
    return table.filter(split=split, symbol=symbol).sort("date")


def _reference_losses(folder: Path, split: str) -> dict[str, float]:
    """By name; of a run of before there was a linear one HAR's alone."""
    summary = run_files.summary(folder, (f"scores.{split}",))
    # The curve beside it is of every phase as well.
    scores = summary["scores"].get(split + score.ALL_PHASES, summary["scores"][split])
    return {
        comparison.title(name): scores[name]["log_loss"] for name in REFERENCES if name in scores
    }
