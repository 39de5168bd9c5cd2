"""`mlxts compare A B`: which of two forecasts is better, and what could have been seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts.cli.output import JsonOption, Note, Part, render
from mlxts.cli.selected_runs import complete_predictions, record_test_evaluation, some_runs
from mlxts.tables import Column, Table, ranged, with_ends

if TYPE_CHECKING:
    import polars as pl

    from mlxts.evaluation.paired_comparison import Difference
    from mlxts.runs.folder import RunFolder
    from mlxts.runs.scored_task import ScoredTask


class ComparedSplit(StrEnum):
    validation = "validation"
    test = "test"
    walk_forward = "walk-forward"


_HELP = (
    "A run, several (a sweep, study or pattern), RUN:MODEL for another model in its predictions "
    "(linear, har, reference), or a file of forecasts."
)


def compare(
    a: Annotated[str, typer.Argument(help=_HELP)],
    b: Annotated[str, typer.Argument(help="Likewise; what A is compared with.")],
    split: Annotated[
        ComparedSplit | None,
        typer.Option(
            "--split",
            help="Whose rows; test is recorded in a log. By default the windows of walk-forward "
            "runs, else validation.",
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="RUN", help="Two files: a run that says what they forecast."),
    ] = None,
    mean_of_seeds: Annotated[
        bool, typer.Option("--mean-of-seeds", help="The mean logit of several seeds is a model.")
    ] = False,
    assets: Annotated[
        bool, typer.Option("--assets", help="Also each asset by itself, without a claim.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Test two forecasts on the days that both predict: panel Diebold-Mariano, paired by date."""
    from mlxts.errors import ConfigError
    from mlxts.evaluation import paired_comparison

    sides = [_side(a), _side(b)]
    runs = [side for side in (*sides, *([_side(on)] if on else [])) if side.folders]
    if not runs:
        raise ConfigError("neither is a run; --on RUN says what two files forecast")
    scored_task, windows = _common_task(runs)
    split = split or (ComparedSplit.walk_forward if windows else ComparedSplit.validation)
    if split is ComparedSplit.walk_forward and not windows:
        raise ConfigError("these are runs on the fixed splits; leave --split walk-forward out")
    if split is ComparedSplit.test and windows:
        raise ConfigError("walk-forward runs are compared on their windows; leave --split out")
    tables = [_forecasts(side, runs[-1], scored_task, split, mean_of_seeds) for side in sides]
    names = sides[0].name, sides[1].name
    if split is ComparedSplit.test:
        record_test_evaluation(f"{names[0]} compared with {names[1]}", scored_task.score_on)
    rows = paired_comparison.pair(*tables, scored_task.task)
    differences = paired_comparison.estimands(rows, scored_task)
    asset_differences = paired_comparison.by_asset(rows, scored_task) if assets else {}
    unpaired = sum(table.height for table in tables) - 2 * rows.height
    result = {
        "a": names[0], "b": names[1], "task": scored_task.task.name, "horizon": scored_task.horizon,
        "split": split.value, "unpaired_rows": unpaired,
        "differences": {name: difference.to_dict() for name, difference in differences.items()},
        "assets": {name: difference.to_dict() for name, difference in asset_differences.items()},
    }  # fmt: skip
    render(
        result,
        as_json,
        _screen(names, scored_task, split, differences, asset_differences, unpaired),
    )


@dataclass(frozen=True)
class _Side:
    """What one name refers to: runs and a model in them, or a file."""

    name: str
    folders: tuple[Path, ...] = ()
    model: str = ""


def _side(name: str) -> _Side:
    from mlxts.runs.predictions import NETWORK

    if Path(name).is_file():
        return _Side(name)
    run, _, model = name.partition(":")
    folders = some_runs([run]).finished
    complete_predictions(folders)
    title = name if len(folders) > 1 else folders[0].name + (f":{model}" if model else "")
    return _Side(title, folders, model or NETWORK)


def _common_task(sides: list[_Side]) -> "tuple[ScoredTask, bool]":
    """What all runs predict, and whether they are walk-forward runs. Raises RunError."""
    from mlxts.errors import RunError
    from mlxts.runs.folder import RunFolder

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


def _splits(run: "RunFolder") -> str:
    """The dates between training, validation and test, of whichever forecast origin."""
    return run.metadata(("config.data.splits",))["config"]["data"]["splits"]


def _forecasts(
    side: _Side, other: _Side, scored_task: "ScoredTask", split: ComparedSplit, mean_of_seeds: bool
) -> "pl.DataFrame":
    """Canonical rows. A file's are aligned with those of the `other` side's runs."""
    from mlxts.evaluation import external_forecasts
    from mlxts.evaluation.run_forecasts import of_runs
    from mlxts.runs.folder import WINDOW

    named = WINDOW if split is ComparedSplit.walk_forward else split.value
    if side.folders:
        rows = of_runs(side.folders, named, side.model, mean_of_seeds=mean_of_seeds)
    else:
        scored = of_runs(other.folders, named, other.model, mean_of_seeds=mean_of_seeds)
        file = external_forecasts.read(Path(side.name), scored_task.task)
        rows = file.on(scored, scored_task.score_on, complete=False).rows
    return rows.filter("canonical")


def _screen(
    names: tuple[str, str],
    scored_task: "ScoredTask",
    split: ComparedSplit,
    differences: "Mapping[str, Difference]",
    asset_differences: "Mapping[str, Difference]",
    unpaired: int,
) -> Iterator[Part]:
    from mlxts import formats
    from mlxts.evaluation import paired_comparison

    where = f"{scored_task.task.name}, H = {scored_task.horizon}, {split.value}"
    yield from differences_tables(f"{names[0]} − {names[1]}: {where}", differences)
    if asset_differences:
        yield from differences_tables("Each asset by itself, without a claim", asset_differences)
    if unpaired:
        yield Note(f"Left out: {formats.count(unpaired, 'row')} that only one of them predicts.")
    yield Note(HOW_TO_READ)
    for name, difference in differences.items():
        subject = f"{scored_task.task.name} at H = {scored_task.horizon}, {name}, {split.value}"
        yield paired_comparison.sentence(*names, difference, subject)


HOW_TO_READ = (
    "Difference: mean loss of the first minus that of the second, below zero the first is better; "
    "in brackets 95 % block-bootstrap intervals, dates drawn with all their assets. t and p: "
    "Diebold-Mariano on the dates' means over assets, Newey-West variance. Detectable: a true "
    "difference that is seen with 80 % power at 5 %, 2.80 standard errors. n_eff: as how many "
    "independent dates or assets these count."
)


def differences_tables(title: str, differences: "Mapping[str, Difference]") -> Iterator[Table]:
    """A row for each estimand, or asset; and what they rest on."""
    from mlxts import formats

    rows = [_row(name, difference) for name, difference in differences.items()]
    yield Table(
        title,
        (
            "scored",
            (Column("loss_a", "loss", formats.loss), Column("loss_b", "the other's", formats.loss)),
            ranged("difference", "", "+.5f"),
            (Column("statistic", "t", "+.2f"), Column("p_value", "p", formats.p_value)),
            Column("smallest_detectable", "detectable", ".5f"),
        ),
        rows,
    )
    yield Table(
        "What that rests on",
        (
            "scored",
            "dates",
            Column("n_eff", "n_eff", ",.0f"),
            "assets",
            Column("n_eff_assets", "n_eff", ".1f"),
            Column("standard_error", "SE", ".5f"),
            "lags",
        ),
        rows,
    )


def _row(name: str, difference: "Difference") -> dict[str, Any]:
    figures = difference.to_dict()
    return {"scored": name} | with_ends(figures | {"interval": {"difference": difference.interval}})
