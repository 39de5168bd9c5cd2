"""`evaluate`, `baselines`, `runs`: a model beside what can be said without it."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts.cli.details import show_details
from mlxts.cli.output import JsonOption, emit, note, number, say, table
from mlxts.cli.scores import show_scores

if TYPE_CHECKING:
    import polars as pl

    from mlxts.runs.scored_task import ScoredTask


class SplitName(StrEnum):
    train = "train"
    validation = "validation"
    test = "test"


SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override any key, e.g. horizon=5."),
]
SplitOption = Annotated[SplitName, typer.Option("--split", help="Which split is scored.")]


def evaluate(
    run: Annotated[
        str,
        typer.Argument(
            help="A run id, the beginning of one, its folder, or a sweep or study of one run; with "
            "--origins a configuration as well."
        ),
    ],
    split: SplitOption = SplitName.validation,
    origins: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Walk forward: train at so many moments of the past and score what followed.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a run against HAR, linear and the base rates; `--split test` is recorded as a look."""
    if origins is not None:
        from mlxts.cli import walk_forward

        walk_forward.show(run, origins, split, as_json)
        return
    from mlxts import predict
    from mlxts.cli.selected_runs import one_run
    from mlxts.evaluation import comparison, diagnostics, score
    from mlxts.runs.folder import RunFolder
    from mlxts.runs.predictions import NETWORK

    folder = one_run(run)
    predicted = predict.read_or_predict(folder)
    asked = RunFolder(folder).scored_task
    if split is SplitName.test:
        predicted = _open_test(folder, predicted, asked)
    reference = RunFolder(folder).references()[asked.score_on]
    scores = score.score_run(predicted, reference, asked, (split,))
    behind = diagnostics.details(predicted.filter(model=NETWORK), asked, split)
    if as_json:
        emit({**scores, "reference": reference.to_dict(), "details": behind})
        return
    show_scores(scores, asked, _marked(folder.name, RunFolder(folder).metadata()["config"]["mode"]))
    show_details(behind, NETWORK)
    for part, models in scores.items():
        say(comparison.sentence(NETWORK, models[NETWORK], asked.task, asked.horizon, part))


def baselines(
    config: Annotated[Path, typer.Argument(help="A configuration, e.g. configs/demo.yaml.")],
    split: SplitOption = SplitName.validation,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="NAME", help="This one, besides HAR and linear; may be repeated."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="The slow ones too: networks, trees on many features.")
    ] = False,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit baselines on the training split and score them: what has to be beaten."""
    from mlxts.config.loading import load_config
    from mlxts.config.yamltext import parse_override
    from mlxts.dataset.build import build_dataset
    from mlxts.errors import ConfigError, DataError
    from mlxts.evaluation import baseline_selection, oracle, score
    from mlxts.evaluation.reference import fit_baselines
    from mlxts.runs.scored_task import ScoredTask

    if split is SplitName.test:
        raise ConfigError(
            "the test split is opened only by `mlxts evaluate RUN --split test`, which records it"
        )
    changes = dict(parse_override(text) for text in overrides or [])
    configuration = load_config(config, changes)
    tell = (lambda line: None) if as_json else note
    dataset = build_dataset(configuration)
    line = baseline_selection.choose(
        configuration,
        len(dataset.samples["train"]),
        len(dataset.names),
        names=only or (),
        everything=everything,
        progress=tell,
    )
    place = {name: number for number, name in enumerate(line.chosen, start=1)}
    found = fit_baselines(
        dataset,
        dict.fromkeys(("train", split)),
        line.chosen,
        line.chosen,
        progress=lambda name: tell(f"fitting {name} ({place[name]} of {len(place)})"),
    )
    if not found.tables:
        raise DataError(f"not estimable: {found.reference.not_estimable}")
    asked = ScoredTask.of(configuration.model_dump(mode="json"))
    models = found.tables | oracle.forecast(dataset, dict.fromkeys(("train", split)))
    scores = score.score_models(models, asked, (split,), found.reference)
    if as_json:
        emit({**scores, "reference": found.reference.to_dict()})
        return
    show_scores(scores, asked, _marked(configuration.name, configuration.mode))
    if line.left_out:
        note(f"Not fitted, because they take longer: {', '.join(line.left_out)}; --all has them.")


def runs(as_json: JsonOption = False) -> None:
    """List the runs under outputs/runs with what they reached on validation."""
    from mlxts import files
    from mlxts.evaluation import run_listing

    rows = run_listing.listing()
    if as_json:
        emit({"runs": rows})
        return
    if not rows:
        note(f"no runs in {files.runs_folder()} yet; `mlxts train configs/demo.yaml` makes one")
        return
    table(
        "Runs, scored on validation",
        ["run\nname, parameters, status", "loss\nAUC", "verdict\nskill, over HAR"],
        [_two_lines(row) for row in rows],
    )
    note(
        "Loss: log loss, for regression RMSE. The verdict and the first skill, 1 - log loss / its "
        "log loss (for regression of the squared error), are against the reference, the better of "
        "HAR and linear by cross-validation within training; of runs of before there was a linear "
        "one against HAR."
    )
    for row in rows:
        if row["damaged"]:
            note(f"Damaged: {row['damaged']}.")
    reasons = {row["run_id"]: row["wall_time_omitted"] for row in rows}
    for name, reason in reasons.items():
        if reason:
            note(f"No time of {name} is given: {reason}.")


def _two_lines(row: dict[str, Any]) -> list[str]:
    """A run as a row of cells of two lines each, which fits a terminal of 80 columns."""
    from mlxts.evaluation import comparison

    if row["damaged"]:
        return [f"{row['run_id']}\ndamaged", "", ""]
    name, skills = _marked(row["name"], row["mode"]), (row["skill"], row["skill_har"])
    loss = row["log_loss"] if row["rmse"] is None else row["rmse"]
    return [
        f"{row['run_id']}\n{name}, {number(row['n_total'])}, {row['status']}{_took(row)}",
        f"{number(loss)}\n{number(row['auc'])}",
        f"{comparison.against(row['verdict'], row['reference']) or ''}\n"
        + ", ".join(number(None) if one is None else format(one, "+.1%") for one in skills),
    ]


def _took(row: dict[str, Any]) -> str:
    """How long training took; a dash where that may not be compared."""
    from mlxts.console import words

    if row["wall_time_omitted"]:
        return " in –"
    seconds = row["train_seconds"]
    return "" if seconds is None else f" in {words.duration(seconds)}"


def _open_test(folder: Path, predicted: "pl.DataFrame", asked: "ScoredTask") -> "pl.DataFrame":
    """Record the look at the test split; then read its rows, or predict and keep them."""
    from mlxts import predict
    from mlxts.errors import EmptySplitError
    from mlxts.evaluation import test_split_log
    from mlxts.training import run

    known = predicted.filter(split="test", symbol=asked.score_on).height > 0
    trained = None if known else run.load(folder)
    if trained and not predict.can_score(trained.plan.dataset, "test"):
        raise EmptySplitError(
            f"the test split of this run's data holds no sample of {asked.score_on}; "
            "train on data that reaches into it"
        )
    count = test_split_log.record(folder.name, asked.score_on)
    note(f"look number {count} at the test split, recorded in {test_split_log.path()}")
    return predict.predict_split(trained, folder, "test") if trained else predicted


def _marked(name: str, mode: str) -> str:
    """What an exploratory configuration reaches says so."""
    return name if mode == "strict" else f"{name} ({mode})"
