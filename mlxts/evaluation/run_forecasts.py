"""One model's forecasts from one run or several: all walk-forward origins, the mean of seeds.

Only run folders are read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mlxts import formats
from mlxts.errors import RunError
from mlxts.evaluation.paired_comparison import mean_of
from mlxts.files import canonical_hash
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK

REFERENCE = "reference"  # each asset's own, the better of HAR and linear
_NO_RECIPE = ("name", "mode", "seed", "thermal", "checkpoint", "tracking")
_COLUMNS = ("date", "symbol", "canonical", "target", "logit")


def of_runs(
    folders: Sequence[Path], split: str, model: str = NETWORK, *, mean_of_seeds: bool = False
) -> pl.DataFrame:
    """One model's forecasts of one split.

    Args:
        folders: a run; or the runs of several walk-forward origins, which are joined; or of several
            seeds, whose mean logit is a model of its own.
        split: as predictions name it.
        model: as predictions name it, or `REFERENCE`.

    Returns:
        date, symbol, canonical, target, logit; each date of a symbol once.

    Raises:
        RunError: runs that differ in more than origin and seed, or in the seed where no mean is
            asked for; no such model; or no row of that split.
        DataError: seeds that do not predict the same rows, or damaged predictions.
    """
    parts: dict[Any, list[pl.DataFrame]] = {}
    recipes: dict[str, Path] = {}
    for folder in folders:
        settings = RunFolder(folder).metadata()["config"]
        recipes.setdefault(_recipe(settings), folder)
        parts.setdefault(settings["seed"], []).append(_rows(folder, split, model))
    if model != NETWORK:  # the references of an origin are the same beside each network
        return pl.concat(t for tables in parts.values() for t in tables).unique(("date", "symbol"))
    if len(recipes) > 1:
        first, second, *_ = recipes.values()
        raise RunError(
            f"{first.name} and {second.name} differ in more than seed and origin; name runs of one "
            "model, by a pattern such as '2M-daily*'"
        )
    if len(parts) > 1 and not mean_of_seeds:
        raise RunError(
            f"these are runs of {formats.count(len(parts), 'seed')}; name one, or compare their "
            "mean with --mean-of-seeds"
        )
    joined = [pl.concat(tables) for tables in parts.values()]
    for table in joined:
        twice = table.filter(table.select("date", "symbol").is_duplicated())
        if twice.height:
            raise RunError(
                f"several of these runs predict {twice['symbol'][0]} on {twice['date'][0]} with "
                "the same seed; name one run for each origin"
            )
    return mean_of(joined)


def _rows(folder: Path, split: str, model: str) -> pl.DataFrame:
    run = RunFolder(folder)
    predicted = run.predictions().filter(split=split)
    if not predicted.height:
        raise RunError(f"{folder.name} holds no row of {split}; {_remedy(run, split)}")
    if model == REFERENCE:
        chosen = [
            predicted.filter(model=reference.name, symbol=symbol)
            for symbol, reference in run.references().items()
            if reference.name
        ]
        forecasts = pl.concat(chosen or [predicted.head(0)])
    else:
        forecasts = predicted.filter(model=model)
    if not forecasts.height:
        available = ", ".join([*predicted["model"].unique(maintain_order=True), REFERENCE])
        raise RunError(f"{folder.name} has no predictions of {model}; it has those of {available}")
    return forecasts.select(_COLUMNS)


def _remedy(run: RunFolder, split: str) -> str:
    if split == "test":
        return f"`mlxts evaluate {run.id} --split test` opens it, on record"
    return "train the run again"


def _recipe(settings: dict[str, Any]) -> str:
    """Equal where runs differ in name, seed, origin and what has no influence alone."""
    data = {k: v for k, v in settings["data"].items() if k != "walk_forward_window"}
    return canonical_hash(
        {k: v for k, v in settings.items() if k not in _NO_RECIPE} | {"data": data}
    )
