"""Walk-forward: the same experiment at several moments of the past, each scored on what came next.

One window of validation years is one regime or two; how much figures differ between such windows
is what a single split cannot show. At each origin (`splits.borders`) a model is trained on all
that is older, stopped early on one window, and scored on the next, which nothing has looked at;
baselines are fitted on the same training samples. Each is a run of its own, with a folder, so
that an evaluation which was cut short goes on where it was.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlxts import experiment, run_files
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.data import bars
from mlxts.dataset import splits
from mlxts.dataset.samples import Dataset, is_scored
from mlxts.errors import EmptySplitError
from mlxts.evaluation import oracle, predictions, runs, score
from mlxts.evaluation.reference import Reference, fit_baselines
from mlxts.training.events import Listener
from mlxts.training.plan import Plan, make_plan

EITHER = "HAR or linear"  # the reference of several origins, where they differ in it
SCORED = "test"  # the place that the scored window takes among an origin's splits


@dataclass(frozen=True)
class Origin:
    """A moment of the past from which the next window was foreseen."""

    plan: Plan
    tables: dict[str, pl.DataFrame]  # by model: its training rows and those of the scored window
    reference: Reference  # on its training samples
    figures: dict[str, score.Figures]  # by model, on the scored window, canonical phase

    @property
    def scored(self) -> str:
        """The years that were scored."""
        return years(self.plan.config)

    def record(self) -> dict[str, Any]:
        data = self.plan.config.data
        borders = splits.borders(data.splits, data.origin)
        return {
            "run_id": self.plan.run_id,
            "trained_until": borders.train[1].isoformat(),
            "scored": [day.isoformat() for day in borders.test if day],
            "samples": len(self.plan.dataset.samples["train"]),
            "reference": self.reference.record(),
            "scores": self.figures,
        }


def years(configuration: ExperimentConfig) -> str:
    """Those that an origin scores, in words."""
    data = configuration.data
    first, last = splits.borders(data.splits, data.origin).test
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
                "data": {**values["data"], "origin": number},
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
        if is_scored(planned.dataset.samples[SCORED], planned.dataset.score_on).any():
            return planned
        reason = f"nothing of {planned.dataset.score_on} to score"
    except EmptySplitError as error:
        reason = str(error)
    raise EmptySplitError(
        f"the origin before {years(configuration)} has too few data: {reason}; "
        "ask for fewer --origins"
    )


def execute(planned: Plan, emit: Listener) -> dict[str, Any]:
    """Train the run of an origin, or go on with it; returns its summary."""
    begun = (planned.folder / run_files.METADATA).exists()
    return experiment.execute(planned, emit=emit, resume=begun)


def foresee(folder: Path) -> pl.DataFrame:
    """Write what a finished run of an origin says of its window beside its other predictions."""
    rows = experiment.predict_split(folder, SCORED)
    return predictions.replace_split(folder / predictions.FILE_NAME, rows)


def foresee_missing(folders: Iterable[Path], progress: Callable[[str], None]) -> None:
    """`foresee` whatever walk-forward run among `folders` has not; `progress` is told of each."""
    for folder in folders:
        if of_origin(folder) and not has_foreseen(folder):
            progress(f"{folder.name} foresees its window")
            foresee(folder)


def of_origin(folder: Path) -> bool:
    """Whether a run is one of an origin, not of the fixed splits."""
    return run_files.metadata(folder, ("config.data",))["config"]["data"].get("origin") is not None


def has_foreseen(folder: Path) -> bool:
    """Whether that is written already."""
    return experiment.predictions_of(folder).filter(split=SCORED).height > 0


def look(planned: Plan) -> Origin:
    """Score the finished run of an origin on its window, and keep its predictions there."""
    data = planned.dataset
    own = foresee(planned.folder)
    asked = ("train", SCORED)
    found = fit_baselines(data, asked)
    tables = {runs.MODEL: own, **found.tables, **oracle.forecast(data, asked)}
    tables = {name: table.filter(pl.col("split").is_in(asked)) for name, table in tables.items()}
    figures = score.score_models(tables, data, (SCORED,), found.reference)[SCORED]
    return Origin(planned, tables, found.reference, figures)


def pooled(found: list[Origin]) -> dict[str, score.Figures]:
    """All scored windows as one, each row foreseen by the model of its own origin.

    The training rows, which only say what a forecast without any model would be, are those of all
    origins together. The reference is that of each origin; where it is not the same one at all of
    them it stands there as `EITHER`.
    """
    data: Dataset = found[-1].plan.dataset
    tables = {
        name: pl.concat([origin.tables[name] for origin in found])
        for name in found[0].tables
        if all(name in origin.tables for origin in found)
    }
    obstacle = next((o.reference.not_estimable for o in found if o.reference.not_estimable), None)
    names = [origin.reference.name for origin in found]
    reference = names[0] if len(set(names)) == 1 else None
    if reference is None and all(names):
        reference = EITHER
        tables[EITHER] = pl.concat(
            [o.tables[name] for o, name in zip(found, names, strict=True) if name]
        )
    dates = [
        samples.dates[is_scored(samples, data.score_on)]
        for samples in (origin.plan.dataset.samples[SCORED] for origin in found)
    ]
    return score.score(
        tables,
        data.task,
        data.horizon,
        data.score_on,
        reference=reference,
        obstacle=obstacle,
        splits=(SCORED,),
        dates=np.concatenate(dates),
        spacing=bars.spacing(data.timescale),
    )[SCORED]
