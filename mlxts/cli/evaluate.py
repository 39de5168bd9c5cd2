"""`evaluate`, `baselines`, `runs`: a model beside what can be said without it."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts import formats
from mlxts.cli.output import JsonOption, Note, Part, note, render
from mlxts.cli.scores import details_screen, scores_screen
from mlxts.tables import Column, Table

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
            help="A run id, the beginning of one, its folder, or a sweep or study of one run."
        ),
    ],
    split: SplitOption = SplitName.validation,
    as_json: JsonOption = False,
) -> None:
    """Score a run against HAR, linear and the base rates; `--split test` is recorded as a look."""
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
    details = diagnostics.details(predicted.filter(model=NETWORK), asked, split)
    name = _marked(folder.name, RunFolder(folder).metadata()["config"]["mode"])
    verdicts = [
        comparison.sentence(NETWORK, models[NETWORK], asked.task, asked.horizon, part)
        for part, models in scores.items()
    ]
    render(
        {**scores, "reference": reference.to_dict(), "details": details},
        as_json,
        [*scores_screen(scores, asked, name), *details_screen(details, NETWORK), *verdicts],
    )


def baselines(
    config: Annotated[Path, typer.Argument(help="A configuration, e.g. configs/demo.yaml.")],
    split: SplitOption = SplitName.validation,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="NAME", help="Only this one, besides HAR and linear; repeat."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the slow ones: networks, trees on many features.")
    ] = False,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit baselines on the training split and score them: the scores to beat."""
    from mlxts.config.loading import load_config
    from mlxts.config.yamltext import parse_overrides
    from mlxts.dataset.build import build_dataset
    from mlxts.errors import ConfigError, DataError
    from mlxts.evaluation import baseline_selection, oracle, score
    from mlxts.evaluation.reference import fit_baselines
    from mlxts.runs.scored_task import ScoredTask

    if split is SplitName.test:
        raise ConfigError(
            "the test split is opened only by `mlxts evaluate RUN --split test`, which records it"
        )
    configuration = load_config(config, parse_overrides(overrides))
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
    screen = [*scores_screen(scores, asked, _marked(configuration.name, configuration.mode))]
    if line.left_out:
        left_out = ", ".join(line.left_out)
        screen.append(Note(f"Not fitted because they are slow: {left_out}; --all includes them."))
    render({**scores, "reference": found.reference.to_dict()}, as_json, screen)


def runs(as_json: JsonOption = False) -> None:
    """List the runs under outputs/runs with their validation scores."""
    from mlxts import files
    from mlxts.evaluation import run_listing

    rows = run_listing.listing()
    nothing = f"no runs in {files.runs_folder()} yet; `mlxts train configs/demo.yaml` makes one"
    render({"runs": rows}, as_json, _runs_screen(rows) if rows else Note(nothing))


def _runs_screen(rows: list[dict[str, Any]]) -> Iterator[Part]:
    columns = (
        (Column("run_id", "run"), Column("what", "name, parameters, status"), "verdict"),
        ("loss", Column("auc", "AUC")),
        (Column("skill", "skill", "+.1%"), Column("skill_har", "over HAR", "+.1%")),
    )  # fmt: skip
    yield Table("Runs, scored on validation", columns, [_on_screen(row) for row in rows])
    yield Note(
        "Loss: log loss, of a number RMSE. The verdict and the first skill, 1 - log loss / its "
        "log loss (of a number of the squared error), are against the reference, the better of "
        "HAR and linear by cross-validation within training; of runs of before there was a linear "
        "one against HAR."
    )
    for row in rows:
        if row["damaged"]:
            yield Note(f"Damaged: {row['damaged']}.")
        elif row["wall_time_omitted"]:
            yield Note(f"No time of {row['run_id']} is given: {row['wall_time_omitted']}.")


def _on_screen(row: dict[str, Any]) -> dict[str, Any]:
    """A run with what its two lines of a terminal say."""
    from mlxts.evaluation import comparison

    if row["damaged"]:
        return {"run_id": row["run_id"], "what": "damaged"}
    name, seconds = _marked(row["name"], row["mode"]), row["train_seconds"]
    # No time is given where it may not be compared.
    took = None if row["wall_time_omitted"] else seconds
    known = seconds is not None or row["wall_time_omitted"]
    return row | {
        "what": f"{name}, {formats.number(row['n_total'])}, {row['status']}"
        + (f" in {formats.duration(took)}" if known else ""),
        "loss": row["log_loss"] if row["rmse"] is None else row["rmse"],
        "verdict": comparison.against(row["verdict"], row["reference"]),
    }


def _open_test(folder: Path, predicted: "pl.DataFrame", asked: "ScoredTask") -> "pl.DataFrame":
    """Record the test-set evaluation; then read its rows, or predict and store them."""
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
    note(f"test-set evaluation {count}, recorded in {test_split_log.path()}")
    return predict.predict_split(trained, folder, "test") if trained else predicted


def _marked(name: str, mode: str) -> str:
    """Results of an exploratory configuration are labelled."""
    return name if mode == "strict" else f"{name} ({mode})"
