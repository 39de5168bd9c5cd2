"""`evaluate`, `baselines`: scores of models and baselines."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxts.cli.output import JsonOption, Note, note, render
from mlxts.cli.scores import details_screen, scores_screen

if TYPE_CHECKING:
    from mlxts.api.scores import Split


class SplitName(StrEnum):
    train = "train"
    validation = "validation"
    test = "test"


class EvaluatedSplit(StrEnum):
    train = "train"
    validation = "validation"
    test = "test"
    walk_forward = "walk-forward"


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
            "--predictions also a configuration."
        ),
    ],
    split: Annotated[
        EvaluatedSplit,
        typer.Option("--split", help="Which is scored; walk-forward: with --predictions."),
    ] = EvaluatedSplit.validation,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            metavar="FILE",
            help="Score the forecasts of another program instead, CSV or Parquet: date, symbol, "
            "and probability or logit (for returns value).",
        ),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(
            "--windows",
            min=1,
            help="With --split walk-forward and a configuration: how many are scored; by default "
            "ten, of bundled data six.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a run against HAR, linear and the base rates; `--split test` is recorded in a log."""
    from mlxts.errors import ConfigError

    if predictions is not None:
        if split is EvaluatedSplit.train:
            raise ConfigError("--predictions are scored on validation, test or walk-forward")
        from mlxts.cli.external import evaluate_file

        evaluate_file(run, predictions, split.value, windows, as_json)
        return
    if split is EvaluatedSplit.walk_forward:
        raise ConfigError("`mlxts walk-forward RUN` scores a run's windows; leave --split out here")
    _evaluate_run(run, split.value, as_json)


def _evaluate_run(run: str, split: "Split", as_json: bool) -> None:
    from mlxts.api.scores import score_split
    from mlxts.api.selected_runs import one_run
    from mlxts.evaluation import comparison, diagnostics
    from mlxts.runs.folder import RunFolder
    from mlxts.runs.predictions import NETWORK

    folder = one_run(run)
    scored_task = RunFolder(folder).scored_task
    predicted, scores = score_split(folder, split, note)
    reference = RunFolder(folder).references()[scored_task.score_on]
    details = diagnostics.details(predicted.filter(model=NETWORK), scored_task, split)
    name = _labelled(folder.name, RunFolder(folder).metadata()["config"]["mode"])
    verdicts = [
        comparison.sentence(NETWORK, models[NETWORK], scored_task.task, scored_task.horizon, part)
        for part, models in scores.items()
    ]
    render(
        {**scores, "reference": reference.to_dict(), "details": details},
        as_json,
        [
            *scores_screen(scores, scored_task, name, reference),
            *details_screen(details, NETWORK),
            *verdicts,
        ],
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
        bool, typer.Option("--all", help="Also the slow ones: networks without attention.")
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
    report = (lambda line: None) if as_json else note
    dataset = build_dataset(configuration)
    line = baseline_selection.choose(
        configuration,
        names=only or (),
        everything=everything,
        progress=report,
    )
    place = {name: number for number, name in enumerate(line.chosen, start=1)}
    fitted = fit_baselines(
        dataset,
        dict.fromkeys(("train", split)),
        line.chosen,
        line.chosen,
        progress=lambda name: report(f"fitting {name} ({place[name]} of {len(place)})"),
    )
    reference = fitted.references[dataset.score_on]
    if not fitted.tables:
        raise DataError(f"not estimable: {reference.not_estimable}")
    scored_task = ScoredTask.of(configuration.model_dump(mode="json"))
    models = fitted.tables | oracle.forecast(dataset, dict.fromkeys(("train", split)))
    scores = score.score_models(models, scored_task, (split,), reference)
    name = _labelled(configuration.name, configuration.mode)
    screen = [*scores_screen(scores, scored_task, name, reference)]
    if line.left_out:
        left_out = ", ".join(line.left_out)
        screen.append(Note(f"Not fitted because they are slow: {left_out}; --all includes them."))
    render({**scores, "reference": reference.to_dict()}, as_json, screen)


def _labelled(name: str, mode: str) -> str:
    """Results of an exploratory configuration are labelled."""
    return name if mode == "strict" else f"{name} ({mode})"
