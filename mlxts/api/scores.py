"""Scores of a run on a split, as one table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import polars as pl

from mlxts import predict
from mlxts.api.selected_runs import Notify, record_test_evaluation, silent
from mlxts.evaluation import score
from mlxts.evaluation.score import Scores
from mlxts.runs.folder import RunFolder
from mlxts.tables import with_ends

_FIRST = (
    "split", "model", "n", "log_loss", "rmse", "log_loss_difference", "rmse_difference", "verdict",
    "reference", "log_loss_skill", "mse_skill", "auc",
)  # fmt: skip
_ENDS = ("_low", "_high")
Split = Literal["train", "validation", "test"]


def score_split(folder: Path, split: Split, notify: Notify = silent) -> tuple[pl.DataFrame, Scores]:
    """A run's predictions, and the scores of every model in them on one split.

    Evaluations on test are recorded before a row is looked at.

    Raises:
        MlxtsError: see `predict.open_test`, `predict.read_or_predict`.
    """
    run = RunFolder(folder)
    scored_task = run.scored_task
    if split == "test":
        predicted = predict.open_test(
            folder, lambda: record_test_evaluation(folder.name, scored_task.score_on, notify)
        )
    else:
        predicted = predict.read_or_predict(folder)
    reference = run.references()[scored_task.score_on]
    return predicted, score.score_run(predicted, reference, scored_task, (split,))


def frame(scores: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> pl.DataFrame:
    """A row for each model and split: what decides first; each score's interval behind it."""
    rows = [
        {"split": split, "model": model} | with_ends(figures)
        for split, models in scores.items()
        for model, figures in models.items()
    ]
    known = {key: None for row in rows for key, value in row.items() if _is_figure(value)}
    first = [key for key in _FIRST if key in known]
    named = [*first, *(key for key in known if key not in first and not key.endswith(_ENDS))]
    ends = ([key, *(f"{key}{end}" for end in _ENDS if f"{key}{end}" in known)] for key in named)
    columns = [key for keys in ends for key in keys]
    return pl.DataFrame(
        [{key: row.get(key) for key in columns} for row in rows], infer_schema_length=None
    )


def _is_figure(value: Any) -> bool:
    return value is not None and not isinstance(value, list | tuple | dict)
