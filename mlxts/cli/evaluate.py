"""`evaluate`, `baselines`, `runs`: a model beside what volatility alone says."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts.cli.output import JsonOption, emit, note, number, table
from mlxts.cli.scores import show_scores

if TYPE_CHECKING:
    import polars as pl

    from mlxts.dataset import Dataset
    from mlxts.evaluation.score import Scores


class SplitName(StrEnum):
    train = "train"
    validation = "validation"
    test = "test"


SplitOption = Annotated[SplitName, typer.Option("--split", help="Which split is scored.")]


def evaluate(
    run: Annotated[str, typer.Argument(help="A run id, the beginning of one, or its folder.")],
    split: SplitOption = SplitName.validation,
    as_json: JsonOption = False,
) -> None:
    """Score a run against the volatility baselines; `--split test` is recorded as a look."""
    from mlxts import experiment
    from mlxts.evaluation import predictions, runs, score

    folder = runs.find(run)
    predicted = predictions.read(folder / predictions.FILE_NAME)
    dataset = experiment.dataset_of(folder)
    if split is SplitName.test:
        predicted = _open_test(folder, dataset)
    scores = score.score_run(runs.MODEL, predicted, dataset, (split,))
    if as_json:
        emit(scores)
        return
    show_scores(scores, dataset, _marked(folder.name, runs.describe(folder)["mode"]))
    _conclude(scores, dataset, runs.MODEL)


def baselines(
    config: Annotated[Path, typer.Argument(help="A configuration, e.g. configs/demo.yaml.")],
    split: SplitOption = SplitName.validation,
    as_json: JsonOption = False,
) -> None:
    """Fit the volatility baselines on the training split and score them: what has to be beaten."""
    from mlxts import config as configurations
    from mlxts import dataset as datasets
    from mlxts.errors import ConfigError
    from mlxts.evaluation import baselines as forecasters
    from mlxts.evaluation import score

    if split is SplitName.test:
        raise ConfigError(
            "the test split is opened only by `mlxts evaluate RUN --split test`, which records it"
        )
    configuration = configurations.load(config)
    dataset = datasets.build(configuration)
    models = forecasters.predictions(dataset, dict.fromkeys(("train", split)))
    scores = score.score_models(models, dataset, (split,))
    if as_json:
        emit(scores)
        return
    show_scores(scores, dataset, _marked(configuration.name, configuration.mode))


def runs(as_json: JsonOption = False) -> None:
    """List the runs under outputs/runs with what they reached on validation."""
    from mlxts import files
    from mlxts.evaluation import runs as folders

    rows = folders.listing()
    if as_json:
        emit({"runs": rows})
        return
    if not rows:
        note(f"no runs in {files.runs_folder()} yet; `mlxts train configs/demo.yaml` makes one")
        return
    table(
        "Runs, scored on validation",
        ["run\nname, parameters, status", "loss\nAUC", "vs HAR\nskill"],
        [_two_lines(row) for row in rows],
    )
    note(
        "Loss: log loss, for regression RMSE. Skill: 1 - log loss / HAR's (for regression of the "
        "squared error); above zero is better than volatility."
    )


def _two_lines(row: dict[str, Any]) -> list[str]:
    """A run as a row of cells of two lines each, which fits a terminal of 80 columns."""
    name, skill = _marked(row["name"], row["mode"]), row["skill"]
    loss = row["log_loss"] if row["rmse"] is None else row["rmse"]
    return [
        f"{row['run_id']}\n{name}, {number(row['n_total'])}, {row['status']}",
        f"{number(loss)}\n{number(row['auc'])}",
        f"{row['verdict'] or ''}\n{number(None) if skill is None else format(skill, '+.1%')}",
    ]


def _open_test(folder: Path, dataset: "Dataset") -> "pl.DataFrame":
    """Record the look, then predict the test split and keep its rows with the run."""
    from mlxts import dataset as datasets
    from mlxts import experiment
    from mlxts.errors import EmptySplitError
    from mlxts.evaluation import looks, predictions

    if not datasets.scored(dataset.samples["test"], dataset.score_on).any():
        raise EmptySplitError(
            f"the test split of this run's data holds no sample of {dataset.score_on}; "
            "train on data that reaches into it"
        )
    count = looks.record(folder.name, dataset.score_on)
    note(f"look number {count} at the test split, recorded in {looks.path()}")
    rows = experiment.predict_split(folder, "test")
    return predictions.replace_split(folder / predictions.FILE_NAME, rows)


def _marked(name: str, mode: str) -> str:
    """What an exploratory configuration reaches says so."""
    return name if mode == "strict" else f"{name} ({mode})"


def _conclude(scores: "Scores", dataset: "Dataset", model: str) -> None:
    from mlxts.evaluation import verdict

    for split, models in scores.items():
        print(verdict.sentence(model, models[model], dataset.task, dataset.horizon, split))
