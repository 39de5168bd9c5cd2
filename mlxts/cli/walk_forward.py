"""`walk-forward`: a row for each window, and all of them together."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts.cli.output import JsonOption, Note, Part, note, render
from mlxts.tables import Table, ranged, with_ends

if TYPE_CHECKING:
    from mlxts.config.experiment import ExperimentConfig
    from mlxts.walk_forward import Origin

Figures = dict[str, dict[str, Any]]  # by model


def walk_forward(
    target: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A configuration, or a run that has one.")
    ],
    count: Annotated[
        int | None,
        typer.Option(
            "--windows",
            min=1,
            help="How many to score; default: ten, of bundled data six, of own splits four.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train at several forecast origins and score the window after each, out of sample."""
    from mlxts import split_borders, walk_forward
    from mlxts.dataset import split_dates
    from mlxts.evaluation import comparison
    from mlxts.runs.predictions import NETWORK

    fixed, configuration = _fixed(target, as_json)
    configuration = split_dates.resolved(configuration)
    count = count or split_borders.origins(configuration.data.splits)
    scored: list[Origin] = []
    for window_config in walk_forward.origins(configuration, count):
        planned = walk_forward.plan(window_config)
        note(
            f"origin {len(scored) + 1} of {count}: {walk_forward.years(window_config)} is predicted"
        )
        _finish(planned, as_json)
        scored.append(walk_forward.score_origin(planned))
    together = walk_forward.pooled(scored)
    records = [origin.to_dict() for origin in scored]
    rows = {f"{origin.scored}": origin.figures for origin in scored}
    rows |= {"all origins": together, "fixed split": fixed["scores"]}
    references = {name: comparison.reference(figures[NETWORK]) for name, figures in rows.items()}
    data = scored[-1].plan.dataset
    title = f"{configuration.name} (exploratory): {data.task.name}, H = {data.horizon}, "
    title += f"{data.score_on}, walk-forward from {count} origins"
    how_to_read = Note(
        "At each origin the model is trained on data before the last two windows, stopped early on "
        "the first of them and scored out of sample on the second. The model of the fixed split "
        "is stopped on the years that it is scored on. In brackets 95 % block-bootstrap "
        "intervals, after n the positives; against the reference, the better of HAR and linear by "
        "cross-validation at the same origin, below zero is better: "
        + "; ".join(
            f"{name} {comparison.title(reference)}" for name, reference in references.items()
        )
        + "."
    )
    verdict = comparison.sentence(
        NETWORK, together[NETWORK], data.task, data.horizon, "walk-forward windows"
    )
    tables = _tables(title, rows, binary=data.task.binary)
    render(
        {"origins": records, "pooled": together, "fixed": fixed},
        as_json,
        [*tables, how_to_read, verdict],
    )


def _fixed(target: str, as_json: bool) -> tuple[dict[str, Any], "ExperimentConfig"]:
    """The run on the fixed split, which is trained if it is not there, and its configuration."""
    from mlxts import experiment
    from mlxts.api.selected_runs import one_run
    from mlxts.config.loading import load_config
    from mlxts.runs.folder import RunFolder
    from mlxts.training import run
    from mlxts.training.plan import make_plan

    if Path(target).is_file():
        configuration = load_config(Path(target))
        note("the fixed split")
        summary = _finish(make_plan(configuration), as_json)
    else:
        folder = one_run(target)
        configuration = run.pinned_configuration(folder)
        if RunFolder(folder).is_finished:
            summary = experiment.summary_of(folder)
        else:
            summary = _finish(make_plan(configuration), as_json)
    return {"run_id": summary["run_id"], "scores": summary["scores"]["validation"]}, configuration


def _finish(planned: Any, as_json: bool) -> dict[str, Any]:
    """Train a run to its end, unless it is there; ends the command where training is cut short."""
    from mlxts import console, walk_forward
    from mlxts.cli.failures import exit_unless_finished
    from mlxts.runs.folder import RunFolder

    done = RunFolder(planned.folder).is_finished
    with console.make(quiet=done, json=as_json) as report:
        summary = walk_forward.train_origin(planned, report)
    exit_unless_finished(summary["status"])
    return summary


def _tables(title: str, rows: dict[str, Figures], *, binary: bool) -> Iterator[Part]:
    from mlxts.protocol import BASELINE
    from mlxts.runs.predictions import NETWORK

    if binary:
        columns = (
            ranged("auc", "AUC", ".4f", ".3f"),
            ranged("har_auc", "HAR's", ".4f", ".3f"),
            ranged("log_loss", None, ".4f", ".2f"),
            ranged("log_loss_difference", "against\nreference", "+.4f", ".3f"),
        )
    else:
        columns = (
            ranged("rmse", "RMSE", ".5f"),
            ranged("rmse_difference", "against\nreference", "+.6f", ".6f"),
            ranged("coverage", "", ".3f"),
        )
    cells = [
        {"scored": _heading(name, models[NETWORK])}
        | with_ends(models[NETWORK])
        | {f"har_{key}": value for key, value in with_ends(models.get(BASELINE, {})).items()}
        for name, models in rows.items()
    ]
    yield Table(title, ("scored", *columns), cells)
    for name, models in rows.items():
        if reason := models[NETWORK].get("not_estimable"):
            yield Note(f"{name}: not estimable, excluded from all claims: {reason}.")


def _heading(name: str, figures: dict[str, Any]) -> str:
    """The window and how much there is in it."""
    if "n_pos" not in figures:
        return f"{name}\nn {figures['n']:,}"
    return f"{name}\nn {figures['n']:,} ({figures['n_pos']:,})"
