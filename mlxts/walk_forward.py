"""Walk-forward evaluation: one experiment at several forecast origins, scored out of sample.

A few validation years cover one regime or two, and a single split cannot show how much scores vary
between such windows. At each forecast origin (see `split_borders`) a model is trained on all
earlier data, stopped early on one window and scored on the next, which is held out; baselines are
fitted on the same training samples. Each origin is a run with a folder, so that an interrupted
evaluation continues where it stopped.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlxts import experiment, predict, split_borders
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.data import bars
from mlxts.dataset.samples import is_scored
from mlxts.errors import EmptySplitError
from mlxts.evaluation import score
from mlxts.runs.folder import WINDOW, RunFolder
from mlxts.runs.predictions import NETWORK, by_model
from mlxts.runs.references import Reference
from mlxts.runs.scored_task import ScoredTask
from mlxts.training import run
from mlxts.training.events import Listener
from mlxts.training.plan import Plan, make_plan

EITHER = "HAR or linear"  # the reference of several origins, where they differ in it


@dataclass(frozen=True)
class Origin:
    """One forecast origin: its run, and the scores of the window after it."""

    plan: Plan
    tables: dict[str, pl.DataFrame]  # by model: its training rows and those of the scored window
    reference: Reference  # on its training samples
    figures: dict[str, score.Figures]  # by model, on the scored window, canonical phase

    @property
    def scored(self) -> str:
        """The years that were scored."""
        return years(self.plan.config)

    def to_dict(self) -> dict[str, Any]:
        data = self.plan.config.data
        borders = split_borders.borders(data.splits, data.walk_forward_window)
        return {
            "run_id": self.plan.run_id,
            "trained_until": borders.train[1].isoformat(),
            "scored": [day.isoformat() for day in borders.test if day],
            "samples": len(self.plan.dataset.learned("train")),
            "reference": self.reference.to_dict(),
            "scores": self.figures,
        }


def years(configuration: ExperimentConfig) -> str:
    """Those that an origin scores, in words."""
    data = configuration.data
    first, last = split_borders.borders(data.splits, data.walk_forward_window).test
    assert last is not None
    return f"{first.year}-{last.year}" if last.year > first.year else str(first.year)


def origins(configuration: ExperimentConfig, count: int) -> list[ExperimentConfig]:
    """A configuration at `count` origins, the oldest first."""
    values = configuration.model_dump(mode="json")
    return [
        build_config(
            {
                **values,
                "name": f"{configuration.name}-origin-{number}",
                "mode": "exploratory",
                "data": {**values["data"], "walk_forward_window": number},
            }
        )
        for number in range(count, 0, -1)
    ]


def plan(configuration: ExperimentConfig) -> Plan:
    """The run of an origin.

    Raises:
        EmptySplitError: the data do not reach back far enough.
        DataError, BudgetError: see `make_plan`.
    """
    try:
        planned = make_plan(configuration)
        if is_scored(planned.dataset.samples[WINDOW], planned.dataset.score_on).any():
            return planned
        reason = f"no rows of {planned.dataset.score_on} to score"
    except EmptySplitError as error:
        reason = str(error)
    raise EmptySplitError(
        f"the origin before {years(configuration)} has too few data: {reason}; "
        "ask for fewer --windows"
    )


def train_origin(planned: Plan, emit: Listener) -> dict[str, Any]:
    """Train the run of an origin, or go on with it; returns its summary."""
    has_begun = RunFolder(planned.folder).has_begun
    return experiment.run_experiment(planned, emit=emit, resume=has_begun)


def predict_window(folder: Path) -> pl.DataFrame:
    """The predictions of a finished run of an origin, those of its window included; they are
    computed, for all models, if they do not exist."""
    predicted = predict.read_or_predict(folder)
    if WINDOW in predicted["split"]:
        return predicted
    return predict.predict_split(run.load(folder), folder, WINDOW)


def complete(folders: Iterable[Path], progress: Callable[[str], None]) -> None:
    """Predict what finished runs lack, the windows of walk-forward runs included.

    Args:
        progress: called with a message for each run for which something is predicted.

    Raises:
        DataError: see `predict.read_or_predict`.
    """
    for folder in folders:
        walk_forward = RunFolder(folder).is_walk_forward
        progress(f"{folder.name}: predicting {'its window' if walk_forward else 'with all models'}")
        (predict_window if walk_forward else predict.read_or_predict)(folder)


def score_origin(planned: Plan) -> Origin:
    """Score the finished run of an origin on its window."""
    predicted = predict_window(planned.folder).filter(pl.col("split").is_in(("train", WINDOW)))
    scored_task = ScoredTask.of(planned.config.model_dump(mode="json"))
    reference = RunFolder(planned.folder).references()[scored_task.score_on]
    figures = score.score_run(predicted, reference, scored_task, (WINDOW,))[WINDOW]
    tables = {name: table for name, table in by_model(predicted).items() if name in figures}
    return Origin(planned, tables, reference, figures)


def pooled(origins: list[Origin]) -> dict[str, score.Figures]:
    """Scores of all windows together, each row predicted by the model of its own origin.

    See `join`.
    """
    scored_task = ScoredTask.of(origins[-1].plan.config.model_dump(mode="json"))
    tables, reference = join([(origin.tables, origin.reference) for origin in origins])
    dates = [
        score.canonical_dates(origin.tables[NETWORK], WINDOW, scored_task.score_on)
        for origin in origins
    ]
    return score.score(
        tables,
        scored_task.task,
        scored_task.horizon,
        scored_task.score_on,
        reference=reference.name,
        obstacle=reference.not_estimable,
        splits=(WINDOW,),
        dates=np.concatenate(dates),
        spacing=bars.spacing(scored_task.timescale),
    )[WINDOW]


def join(
    origins: Sequence[tuple[Mapping[str, pl.DataFrame], Reference]],
) -> tuple[dict[str, pl.DataFrame], Reference]:
    """Tables of each model and references of several origins, joined.

    The training rows, from which the constant base-rate forecast is computed, are those of all
    origins together. The reference is that of each origin; where origins differ in it, it is named
    `EITHER`.
    """
    joined = {
        name: pl.concat([tables[name] for tables, _ in origins])
        for name in origins[0][0]
        if all(name in tables for tables, _ in origins)
    }
    obstacle = next(
        (
            origin_reference.not_estimable
            for _, origin_reference in origins
            if origin_reference.not_estimable
        ),
        None,
    )
    names = [origin_reference.name for _, origin_reference in origins]
    reference = names[0] if len(set(names)) == 1 else None
    if reference is None and all(names):
        reference = EITHER
        joined[EITHER] = pl.concat(
            [
                tables[origin_reference.name]
                for tables, origin_reference in origins
                if origin_reference.name
            ]
        )
    return joined, Reference(reference, {}, obstacle)
