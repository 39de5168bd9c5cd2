"""`mlxts evaluate RUN --predictions FILE`: forecasts of another program, scored."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxts.api.selected_runs import one_run, record_test_evaluation, some_runs
from mlxts.cli.compare import HOW_TO_READ, differences_tables
from mlxts.cli.output import Note, Part, note, render
from mlxts.cli.scores import scores_screen

if TYPE_CHECKING:
    from mlxts.evaluation.external_forecasts import File, Forecasts
    from mlxts.evaluation.lookahead import Suspicion
    from mlxts.evaluation.paired_comparison import Difference
    from mlxts.evaluation.score import Figures, Scores
    from mlxts.scored_rows import ScoredRows

WALK_FORWARD = "walk-forward"


def evaluate_file(target: str, path: Path, split: str, windows: int | None, as_json: bool) -> None:
    """Score a file of forecasts on the rows of a run or a configuration.

    Args:
        target: a run's name, or a configuration's file.
        split: validation, test or walk-forward.
        windows: of a configuration, how many walk-forward origins; None: the protocol's.
    """
    from mlxts.evaluation import paired_comparison

    scored, file = _scored(target, path, split, windows)
    forecasts = file.on(scored.rows, scored.scored_task.score_on)
    models = {forecasts.name: forecasts.table(), **scored.models}
    figures = _figures(models, scored)
    suspicions = _suspicions(forecasts, scored, figures[forecasts.name])
    _void(figures[forecasts.name], forecasts.name, suspicions)
    paired = {}
    if scored.reference.name:
        rows = paired_comparison.pair(
            forecasts.rows.filter("canonical"), scored.references, scored.scored_task.task
        )
        paired = paired_comparison.estimands(rows, scored.scored_task)
    result = {
        split: figures,
        "reference": scored.reference.to_dict(),
        "paired": {name: difference.to_dict() for name, difference in paired.items()},
        "file": {
            "path": str(path),
            "sha256": forecasts.sha256,
            "rows": forecasts.rows.height,
            "unused_rows": forecasts.unused,
            "dated_by": forecasts.dated,
        },
        "suspicions": [suspicion.to_dict() for suspicion in suspicions],
    }
    render(result, as_json, _screen(forecasts, scored, figures, suspicions, paired, split))


def _scored(target: str, path: Path, split: str, windows: int | None) -> "tuple[ScoredRows, File]":
    """What is scored, and the file, which is checked by itself before anything is opened."""
    from mlxts import scored_rows, split_borders
    from mlxts.config.loading import load_config
    from mlxts.dataset import split_dates
    from mlxts.evaluation import external_forecasts
    from mlxts.runs.folder import RunFolder
    from mlxts.runs.scored_task import ScoredTask

    if Path(target).is_file():
        configuration = split_dates.resolved(load_config(Path(target)))
        scored_task = ScoredTask.of(configuration.model_dump(mode="json"))
        file = external_forecasts.read(path, scored_task.task)
        if split == WALK_FORWARD:
            count = windows or split_borders.origins(configuration.data.splits)
            return scored_rows.of_configured_origins(configuration, count, note), file
        permit = _recorder(file, configuration.name, scored_task.score_on, split)
        return scored_rows.of_configuration(configuration, split, permit), file
    if split == WALK_FORWARD:
        folders = some_runs([target], note).finished
        file = external_forecasts.read(path, RunFolder(folders[0]).scored_task.task)
        return scored_rows.of_origins(folders, target), file
    folder = one_run(target)
    scored_task = RunFolder(folder).scored_task
    file = external_forecasts.read(path, scored_task.task)
    permit = _recorder(file, folder.name, scored_task.score_on, split)
    return scored_rows.of_run(folder, split, permit), file


def _recorder(file: "File", name: str, score_on: str, split: str) -> Callable[[], None]:
    """Records a test-set evaluation; for other splits it does nothing."""
    evaluation_name = f"{file.path.name} ({file.sha256[:8]}) on {name}"
    return (
        (lambda: record_test_evaluation(evaluation_name, score_on, note))
        if split == "test"
        else lambda: None
    )


def _figures(models: dict[str, Any], scored: "ScoredRows") -> "dict[str, Figures]":
    from mlxts.data import bars
    from mlxts.evaluation import score

    scored_task, symbol_rows = (
        scored.scored_task,
        scored.rows.filter("canonical", symbol=scored.scored_task.score_on),
    )
    return score.score(
        models,
        scored_task.task,
        scored_task.horizon,
        scored_task.score_on,
        reference=scored.reference.name,
        obstacle=scored.reference.not_estimable,
        splits=(scored.split,),
        dates=symbol_rows["date"].to_numpy(),
        spacing=bars.spacing(scored_task.timescale),
    )[scored.split]


def _suspicions(
    forecasts: "Forecasts", scored: "ScoredRows", figures: "Figures"
) -> "list[Suspicion]":
    import math

    import polars as pl

    from mlxts.data import bars
    from mlxts.evaluation import lookahead
    from mlxts.protocol import BASELINE

    scored_task = scored.scored_task
    file_rows = forecasts.rows.filter("canonical", symbol=scored_task.score_on).select(
        "date", ours="logit"
    )
    har = scored.models.get(BASELINE)
    both = file_rows
    if har is not None:
        har_rows = har.filter(pl.col("canonical"), split=scored.split, symbol=scored_task.score_on)
        both = file_rows.join(har_rows.select("date", "logit"), on="date").sort("date")
    return lookahead.suspicions(
        both["ours"].to_numpy(),
        None if har is None else both["logit"].to_numpy(),
        figures,
        scored_task.task,
        math.ceil(scored_task.horizon / bars.spacing(scored_task.timescale)),
    )


def _void(figures: "Figures", name: str, suspicions: "list[Suspicion]") -> None:
    """No claim may rest on forecasts that knew the future."""
    from mlxts.evaluation import comparison

    reasons = [suspicion.reason for suspicion in suspicions if suspicion.voids]
    if reasons:
        figures["not_estimable"] = f"look-ahead is suspected in {name}: {'; '.join(reasons)}"
        figures["estimable"], figures["verdict"] = False, comparison.NOT_ESTIMABLE


def _screen(
    forecasts: "Forecasts",
    scored: "ScoredRows",
    figures: "dict[str, Figures]",
    suspicions: "list[Suspicion]",
    paired: "dict[str, Difference]",
    split: str,
) -> Iterator[Part]:
    from mlxts import formats
    from mlxts.evaluation import comparison, lookahead, paired_comparison

    scored_task, name = scored.scored_task, forecasts.name
    if split == WALK_FORWARD:
        scored_task = replace(scored_task, splits_title="walk-forward")
    scores: Scores = {split: figures}
    title = f"{name} on {scored.name}" + (" (exploratory)" if scored.exploratory else "")
    yield from scores_screen(scores, scored_task, title, scored.reference)
    if paired:
        yield from differences_tables(f"{name} − reference, paired by date", paired)
        yield Note(HOW_TO_READ)
    if forecasts.unused:
        rows = formats.count(forecasts.unused, "row")
        yield Note(f"Not scored: {rows} of {name} on other days than those of {split}.")
    if forecasts.dated:
        yield Note(f"When forecasts were made is what {forecasts.dated} says; nothing proves it.")
    yield Note(lookahead.UNDETECTED)
    for suspicion in suspicions:
        yield f"Warning about {name}: {suspicion.reason}."
    yield comparison.sentence(name, figures[name], scored_task.task, scored_task.horizon, split)
    voided = figures[name]["not_estimable"]
    for estimand, difference in paired.items():
        if not voided:
            subject = f"{scored_task.task.name} at H = {scored_task.horizon}, {estimand}, {split}"
            yield paired_comparison.sentence(name, "the reference", difference, subject)
