"""Two forecasts against each other: runs, models in their predictions, or files, paired by date."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from mlxts.api.selected_runs import (
    Notify,
    complete_predictions,
    record_test_evaluation,
    silent,
    some_runs,
)
from mlxts.errors import ConfigError, RunError
from mlxts.evaluation import external_forecasts, paired_comparison
from mlxts.evaluation.run_forecasts import of_runs
from mlxts.runs.folder import WINDOW, RunFolder
from mlxts.runs.predictions import NETWORK
from mlxts.runs.scored_task import ScoredTask
from mlxts.tables import with_ends

if TYPE_CHECKING:
    from mlxts.api.saved_run import Run
    from mlxts.evaluation.paired_comparison import Difference

ComparedSplit = Literal["validation", "test", "walk-forward"]


@dataclass(frozen=True)
class Comparison:
    """Two forecasts on the rows that both predict.

    Attributes:
        a, b: what they are called. split: whose rows.
        differences: by estimand. assets: by asset, without a claim.
        unpaired_rows: that only one of them predicts.
    """

    a: str
    b: str
    scored_task: ScoredTask
    split: ComparedSplit
    differences: dict[str, "Difference"]
    assets: dict[str, "Difference"] = field(default_factory=dict)
    unpaired_rows: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "a": self.a,
            "b": self.b,
            "task": self.scored_task.task.name,
            "horizon": self.scored_task.horizon,
            "split": self.split,
            "unpaired_rows": self.unpaired_rows,
            "differences": {name: d.to_dict() for name, d in self.differences.items()},
            "assets": {name: d.to_dict() for name, d in self.assets.items()},
        }

    def sentences(self) -> list[str]:
        """The difference of each estimand in words."""
        task = self.scored_task
        where = f"{task.task.name} at H = {task.horizon}"
        return [
            paired_comparison.sentence(self.a, self.b, d, f"{where}, {name}, {self.split}")
            for name, d in self.differences.items()
        ]


def compare(
    a: "Run | str | Path",
    b: "Run | str | Path",
    *,
    split: ComparedSplit | None = None,
    on: str | None = None,
    mean_of_seeds: bool = False,
    assets: bool = False,
) -> pl.DataFrame:
    """Test two forecasts on the days that both predict: panel Diebold-Mariano, paired by date.

    Args:
        a, b: a run, several (a sweep, study or pattern), "RUN:MODEL" for another model in its
            predictions (linear, har, reference), or a file of forecasts.
        split: validation, test (recorded in a log) or walk-forward; None: walk-forward of such
            runs, else validation.
        on: of two files, a run that says what they forecast.
        mean_of_seeds: the mean logit of several seeds is a model.
        assets: also each asset by itself, without a claim.

    Returns:
        A row for each estimand, and asset: scored, verdict, difference (of mean losses; below 0 a
        is better) with its 95 % interval, p-value, and what they rest on: losses, standard error,
        effective sample sizes, the smallest difference that is seen with 80 % power.

    Raises:
        ConfigError: neither is a run, or a split that these runs do not have.
        RunError: no such run, or runs of other tasks.
    """
    sides = [x if isinstance(x, str | Path) else x.folder for x in (a, b)]
    compared = compare_named(
        str(sides[0]), str(sides[1]), split, on=on, mean_of_seeds=mean_of_seeds, assets=assets
    )
    rows = [
        {"scored": name} | with_ends(d.to_dict() | {"interval": {"difference": d.interval}})
        for name, d in (compared.differences | compared.assets).items()
    ]
    first = ("scored", "verdict", "difference", "difference_low", "difference_high", "p_value")
    return pl.DataFrame(rows, infer_schema_length=None).select(*first, pl.exclude(first))


def compare_named(
    a: str,
    b: str,
    split: ComparedSplit | None = None,
    *,
    on: str | None = None,
    mean_of_seeds: bool = False,
    assets: bool = False,
    notify: Notify = silent,
) -> Comparison:
    """`compare` by names, with all that a screen shows."""
    sides = [_side(a, notify), _side(b, notify)]
    runs = [s for s in (*sides, *([_side(on, notify)] if on else [])) if s.folders]
    if not runs:
        raise ConfigError("neither is a run; --on RUN says what two files forecast")
    scored_task, windows = _common_task(runs)
    split = split or ("walk-forward" if windows else "validation")
    if split == "walk-forward" and not windows:
        raise ConfigError("these are runs on the fixed splits; leave --split walk-forward out")
    if split == "test" and windows:
        raise ConfigError("walk-forward runs are compared on their windows; leave --split out")
    tables = [_forecasts(side, runs[-1], scored_task, split, mean_of_seeds) for side in sides]
    names = sides[0].name, sides[1].name
    if split == "test":
        evaluation = f"{names[0]} compared with {names[1]}"
        record_test_evaluation(evaluation, scored_task.score_on, notify)
    rows = paired_comparison.pair(*tables, scored_task.task)
    return Comparison(
        *names,
        scored_task,
        split,
        paired_comparison.estimands(rows, scored_task),
        paired_comparison.by_asset(rows, scored_task) if assets else {},
        sum(table.height for table in tables) - 2 * rows.height,
    )


@dataclass(frozen=True)
class _Side:
    """What one name refers to: runs and a model in them, or a file."""

    name: str
    folders: tuple[Path, ...] = ()
    model: str = ""


def _side(name: str, notify: Notify) -> _Side:
    if Path(name).is_file():
        return _Side(name)
    run, _, model = name.partition(":")
    folders = some_runs([run], notify).finished
    complete_predictions(folders, notify)
    title = name if len(folders) > 1 else folders[0].name + (f":{model}" if model else "")
    return _Side(title, folders, model or NETWORK)


def _common_task(sides: Sequence[_Side]) -> tuple[ScoredTask, bool]:
    """What all runs predict, and whether they are walk-forward runs. Raises RunError."""
    runs = [RunFolder(folder) for side in sides for folder in side.folders]
    first = runs[0].scored_task
    for run in runs:
        run_task = run.scored_task
        task_key = (run_task.task, run_task.horizon, run_task.timescale, run_task.score_on)
        if task_key != (first.task, first.horizon, first.timescale, first.score_on):
            raise RunError(
                f"{runs[0].id} and {run.id} do not predict the same (task, timescale, horizon, "
                "scored symbol); compare runs of one task"
            )
        if _splits(run) != _splits(runs[0]):
            raise RunError(
                f"{runs[0].id} has splits {_splits(runs[0])} and {run.id} {_splits(run)}; compare "
                "runs of the same splits"
            )
        if run.is_walk_forward != runs[0].is_walk_forward:
            raise RunError(
                f"of {runs[0].id} and {run.id} one is a walk-forward run and one is not; compare "
                "runs of one kind"
            )
    return first, runs[0].is_walk_forward


def _splits(run: RunFolder) -> str:
    """The dates between training, validation and test, of whichever forecast origin."""
    return run.metadata(("config.data.splits",))["config"]["data"]["splits"]


def _forecasts(
    side: _Side, other: _Side, scored_task: ScoredTask, split: ComparedSplit, mean_of_seeds: bool
) -> pl.DataFrame:
    """Canonical rows. A file's are aligned with those of the `other` side's runs."""
    named = WINDOW if split == "walk-forward" else split
    if side.folders:
        rows = of_runs(side.folders, named, side.model, mean_of_seeds=mean_of_seeds)
    else:
        scored = of_runs(other.folders, named, other.model, mean_of_seeds=mean_of_seeds)
        file = external_forecasts.read(Path(side.name), scored_task.task)
        rows = file.on(scored, scored_task.score_on, complete=False).rows
    return rows.filter("canonical")
