"""The rows that forecasts are scored on, and the forecasts of the references on them.

Out of a run, which has both in its predictions; or from a configuration, whose data are read and
whose references are fitted, on the fixed splits or at walk-forward origins. No network is needed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mlxts import predict, walk_forward
from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.build import build_dataset
from mlxts.errors import EmptySplitError, RunError
from mlxts.runs.folder import WINDOW, RunFolder
from mlxts.runs.predictions import BASE_RATE, NETWORK, by_model
from mlxts.runs.references import Reference
from mlxts.runs.scored_task import ScoredTask
from mlxts.training.loop import Permit, always


@dataclass(frozen=True)
class ScoredRows:
    """Tables of predictions, see `runs/predictions.py`, of the training rows and one split.

    Attributes:
        scored_task: what is predicted. name: of the run or configuration.
        exploratory: whether it is. split: as the tables name it. title: of the split, for people.
        models: by name, without the base rate.
        reference: of the scored symbol.
        rows: date, symbol, split, canonical, target; of all symbols.
        references: date, symbol, canonical, target, logit; each asset's own reference on them.
    """

    scored_task: ScoredTask
    name: str
    exploratory: bool
    split: str
    title: str
    models: Mapping[str, pl.DataFrame]
    reference: Reference
    rows: pl.DataFrame
    references: pl.DataFrame


@dataclass(frozen=True)
class _Part:
    """One run or one fit: its predictions, and each asset's reference."""

    predictions: pl.DataFrame
    references: Mapping[str, Reference]


def of_run(folder: Path, split: str, permit: Permit = always) -> ScoredRows:
    """Those of a run on the fixed splits.

    Args:
        permit: of the test split, see `predict.open_test`.
    """
    run = RunFolder(folder)
    read = predict.open_test(folder, permit) if split == "test" else predict.read_or_predict(folder)
    exploratory = run.metadata()["config"]["mode"] != "strict"
    part = _Part(read, run.references())
    return _of([part], run.scored_task, folder.name, exploratory, split, split)


def of_origins(folders: Sequence[Path], name: str) -> ScoredRows:
    """Those of the windows of walk-forward runs, whose predictions are made where they lack.

    Args:
        folders: one or more at each origin; the references are those of the first of each. Where
            there are several, no network is among the models.

    Raises:
        RunError: a run is of no origin, or they do not ask for the same.
    """
    by_window: dict[int, list[Path]] = {}
    tasks: dict[tuple[str, int, str, str], str] = {}
    for folder in folders:
        run = RunFolder(folder)
        if not run.is_walk_forward:
            raise RunError(
                f"{folder.name} is of no origin; leave --split walk-forward out, or name runs of "
                "`mlxts walk-forward`"
            )
        window = run.metadata()["config"]["data"]["walk_forward_window"]
        by_window.setdefault(window, []).append(folder)
        scored_task = run.scored_task
        tasks[
            (
                scored_task.task.name,
                scored_task.horizon,
                scored_task.timescale.name,
                scored_task.score_on,
            )
        ] = folder.name
    if len(tasks) > 1:
        first, second, *_ = tasks.values()
        raise RunError(f"{first} and {second} do not predict the same; name runs of one task")
    chosen = [by_window[window][0] for window in sorted(by_window, reverse=True)]
    parts = [_Part(walk_forward.predict_window(f), RunFolder(f).references()) for f in chosen]
    if max(map(len, by_window.values())) > 1:
        without = pl.col("model") != NETWORK
        parts = [_Part(part.predictions.filter(without), part.references) for part in parts]
    scored_task = RunFolder(chosen[-1]).scored_task
    return _of(parts, scored_task, name, True, WINDOW, "walk-forward windows")


def of_configuration(
    configuration: ExperimentConfig, split: str, permit: Permit = always
) -> ScoredRows:
    """Those of a configuration's fixed splits; its references are fitted.

    Args:
        permit: called when it is known that there are rows, before any is scored.
    """
    scored_task = ScoredTask.of(configuration.model_dump(mode="json"))
    exploratory = configuration.mode != "strict"
    part = _fitted(configuration, split, permit)
    return _of([part], scored_task, configuration.name, exploratory, split, split)


def of_configured_origins(
    configuration: ExperimentConfig, count: int, progress: Callable[[str], None]
) -> ScoredRows:
    """Those of the windows after `count` walk-forward origins; references are fitted at each.

    Args:
        progress: called with each window before its references are fitted.
    """
    parts = []
    for at_origin in walk_forward.origins(configuration, count):
        progress(f"fitting the references before {walk_forward.years(at_origin)}")
        parts.append(_fitted(at_origin, WINDOW))
    scored_task = ScoredTask.of(at_origin.model_dump(mode="json"))
    return _of(parts, scored_task, configuration.name, True, WINDOW, "walk-forward windows")


def _fitted(configuration: ExperimentConfig, split: str, permit: Permit = always) -> _Part:
    dataset = build_dataset(configuration)
    if not predict.can_score(dataset, split):
        raise EmptySplitError(
            f"the {split} split of {configuration.name} holds no sample of {dataset.score_on}; "
            "give it bars of those dates, or ask for fewer --windows"
        )
    permit()
    return _Part(*predict.predict_references(dataset, ("train", split)))


def _of(
    parts: Sequence[_Part],
    scored_task: ScoredTask,
    name: str,
    exploratory: bool,
    split: str,
    title: str,
) -> ScoredRows:
    origins, references, rows = [], [], []
    for part in parts:
        part_rows = part.predictions.filter(pl.col("split").is_in(("train", split)))
        models = {
            model: table
            for model, table in by_model(part_rows).items()
            if model != BASE_RATE and (table["symbol"] == scored_task.score_on).any()
        }
        origins.append((models, part.references[scored_task.score_on]))
        scored = part_rows.filter(split=split)
        # Of every asset there is a base rate, whatever else could be fitted.
        rows.append(scored.filter(model=BASE_RATE).drop("model", "logit"))
        chosen = [
            scored.filter(model=of_asset.name, symbol=symbol)
            for symbol, of_asset in part.references.items()
            if of_asset.name
        ]
        references += [table.drop("model", "split") for table in chosen]
    if not sum(table.height for table in rows):
        raise EmptySplitError(f"{name} predicts no {title} row; score another split")
    models, reference = origins[0]
    if len(origins) > 1:
        models, reference = walk_forward.join(origins)
    return ScoredRows(
        scored_task=scored_task,
        name=name,
        exploratory=exploratory,
        split=split,
        title=title,
        models=models,
        reference=reference,
        rows=pl.concat(rows),
        references=pl.concat(references or [parts[0].predictions.head(0).drop("model", "split")]),
    )
