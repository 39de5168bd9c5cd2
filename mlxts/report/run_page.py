"""The figure of one run: its losses and reliability with those of its references."""

from pathlib import Path

from matplotlib.figure import Figure

from mlxts.errors import DataError
from mlxts.evaluation import comparison, score
from mlxts.evaluation.comparison import primary
from mlxts.protocol import BASELINE, REFERENCES
from mlxts.report.figure import drawing
from mlxts.report.run_figure import RunCurves, run_picture
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK, by_model

_PANEL = (6.0, 4.6)  # inches


def draw(folder: Path, split: str = "validation") -> Path:
    """Draw `picture.png` into a finished run's folder and return its path.

    Raises:
        DataError: the run has no predictions yet.
        StorageError: the picture cannot be written.
    """
    path = folder / layout.PICTURE
    run_picture(path, _title(folder, split), _curves(folder, split))
    return path


def losses(folder: Path) -> Figure:
    """The losses of a finished run over training. Raises DataError: see `draw`."""
    with drawing(size=_PANEL, title=_title(folder, "validation")) as figure:
        _curves(folder, "validation").draw_losses(figure)
    return figure


def reliability(folder: Path, split: str = "validation") -> Figure:
    """The reliability of a finished run and its reference. Raises DataError: see `draw`."""
    with drawing(size=_PANEL, title=_title(folder, split)) as figure:
        _curves(folder, split).draw_reliability(figure)
    return figure


def _title(folder: Path, split: str) -> str:
    scored_task = RunFolder(folder).scored_task
    return (
        f"{scored_task.task.name}, H = {scored_task.horizon}, {scored_task.score_on}, {split} "
        f"({scored_task.splits_title} splits)"
    )


def _curves(folder: Path, split: str) -> RunCurves:
    run = RunFolder(folder)
    scored_task, rows = run.scored_task, run.predictions()
    rows = rows.filter(split=split, symbol=scored_task.score_on).sort("date")
    if rows.is_empty():
        raise DataError(f"{run.id} has no predictions of {split} yet; evaluate it there first")
    models = by_model(rows)
    reference = run.references()[scored_task.score_on].name or BASELINE
    titles = {reference: comparison.title(reference), NETWORK: run.metadata()["config"]["budget"]}
    return RunCurves(
        run.metrics(),
        {title: models[name] for name, title in titles.items() if name in models},
        scored_task.task,
        scored_task.horizon,
        _reference_losses(folder, split) if primary(scored_task.task) == "log_loss" else {},
    )


def _reference_losses(folder: Path, split: str) -> dict[str, float]:
    """By name; of a run of before there was a linear one HAR's alone."""
    summary = RunFolder(folder).summary((f"scores.{split}",))
    # The validation curve is of every phase as well.
    scores = summary["scores"].get(split + score.ALL_PHASES, summary["scores"][split])
    return {
        comparison.title(name): scores[name]["log_loss"] for name in REFERENCES if name in scores
    }
