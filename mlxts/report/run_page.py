"""The figure of one run: its losses and reliability with those of its references."""

from pathlib import Path

from mlxts.evaluation import comparison, score
from mlxts.evaluation.comparison import primary
from mlxts.protocol import BASELINE, REFERENCES
from mlxts.report.run_figure import run_picture
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK, by_model


def draw(folder: Path, split: str = "validation") -> Path:
    """Draw `picture.png` into a finished run's folder and return its path.

    Raises:
        DataError: the run has no predictions yet.
        StorageError: the picture cannot be written.
    """
    run = RunFolder(folder)
    scored_task, rows = run.scored_task, run.predictions()
    models = by_model(rows.filter(split=split, symbol=scored_task.score_on).sort("date"))
    reference = run.references()[scored_task.score_on].name or BASELINE
    titles = {reference: comparison.title(reference), NETWORK: run.metadata()["config"]["budget"]}
    path = folder / layout.PICTURE
    run_picture(
        path,
        f"{scored_task.task.name}, H = {scored_task.horizon}, {scored_task.score_on}, {split} "
        f"({scored_task.splits_title} splits)",
        run.metrics(),
        {title: models[name] for name, title in titles.items() if name in models},
        scored_task.task,
        scored_task.horizon,
        references=_reference_losses(folder, split)
        if primary(scored_task.task) == "log_loss"
        else None,
    )
    return path


def _reference_losses(folder: Path, split: str) -> dict[str, float]:
    """By name; of a run of before there was a linear one HAR's alone."""
    summary = RunFolder(folder).summary((f"scores.{split}",))
    # The validation curve is of every phase as well.
    scores = summary["scores"].get(split + score.ALL_PHASES, summary["scores"][split])
    return {
        comparison.title(name): scores[name]["log_loss"] for name in REFERENCES if name in scores
    }
