"""Walk-forward runs in the ledger: a model at all of its origins is one run.

Its dates are those of all windows. Each window is predicted from its own forecast origin and out of
sample, also for early stopping, so these losses are not optimistic.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from mlxts.errors import RunError
from mlxts.runs.folder import WINDOW, RunFolder
from mlxts.scaling import ledger

SPLIT = "walk-forward"  # the split of the windows of walk-forward runs

# What models have in common that are compared at the same origins, and one model at all of its.
_COMPARED = (
    "mode", "task", "timescale", "horizon", "data", "assets", "exogenous", "artifacts", "bars",
    "data_generator", "symbol", "config_hash", "non_default_settings", "features", "tier",
    "fraction", "history",
)  # fmt: skip
_ONE_MODEL = (*_COMPARED, "seed", "budget", "n_body", "n_head", "n_total")


def apart(folders: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Runs on the fixed splits, and walk-forward runs. Raises RunError where there is no run."""
    fixed: list[Path] = []
    walked: list[Path] = []
    for folder in map(Path, folders):
        (walked if RunFolder(folder).is_walk_forward else fixed).append(folder)
    return fixed, walked


def join(
    folders: Iterable[Path],
    *,
    tuned: Sequence[str] = (),
    every_asset: bool = False,
    alike: bool = True,
) -> pl.DataFrame:
    """The ledger of walk-forward runs: a model at all of its origins is one run, and its dates are
    those of all windows.

    Args:
        folders: run folders of origins whose windows have been predicted.
        tuned, every_asset: see `ledger.build`.
        alike: an origin counts where every model that is compared there was trained at it; False:
            each model is of all of its origins (`axes.tables` compares sizes at those they share).

    Returns:
        As `ledger.build`, with `run` the newest origin's run id and how many there are, counts over
        all origins, `split` `SPLIT` and `origin` that of each row.

    Raises:
        RunError, DataError: see `ledger.build`; and RunError where a run is of no origin.
    """
    tuned = (*tuned, "data.walk_forward_window")
    built = ledger.build(folders, split=WINDOW, tuned=tuned, every_asset=every_asset)
    fixed = built.filter(pl.col("origin").is_null())
    if fixed.height:
        raise RunError(
            f"{fixed['run'][0]} is of no origin; `mlxts walk-forward CONFIG` trains some, "
            "or leave --split out"
        )
    runs = built.unique(("run", "symbol")).sort("started", "run")
    runs = runs.unique((*_ONE_MODEL, "origin"), keep="last")
    models = runs.select(_ONE_MODEL).unique().group_by(_COMPARED).len("models")
    complete = (
        runs.group_by(*_COMPARED, "origin")
        .len()
        .join(models, on=_COMPARED)
        .filter(pl.col("len") == pl.col("models"))
    )
    if alike:
        runs = runs.join(complete, on=(*_COMPARED, "origin"), how="semi")
    joined = (
        runs.sort("origin", descending=True)
        .group_by(_ONE_MODEL, maintain_order=True)
        .agg(
            pl.format("{} and {} before", pl.last("run"), pl.len() - 1).alias("joined"),
            pl.max("started"),
            pl.last("name").str.replace(r"-origin-\d+$", ""),
            pl.sum("tokens", "flops"),
            pl.mean("epochs", "best_epoch"),
            pl.any("step_time_drift"),
            pl.when(pl.col("step_time_drift").any().not_())
            .then(pl.sum("seconds"))
            .alias("seconds"),
        )
    )
    # Of all origins of the data, so that a model at fewer of them has no other history.
    samples = (
        runs.group_by(*_COMPARED, "origin")
        .agg(pl.mean("samples"))
        .group_by(_COMPARED)
        .agg(pl.mean("samples").round().cast(pl.Int64))
    )
    joined = joined.join(samples, on=_COMPARED)
    if not joined.height:
        raise RunError(
            "at no origin all of these were trained; `mlxts walk-forward CONFIG` trains "
            "each budget and seed at the same ones"
        )
    rows = built.filter(pl.col("run").is_in(runs["run"].implode()))
    return (
        rows.drop(set(joined.columns) & set(rows.columns) - set(_ONE_MODEL))
        .join(joined, on=_ONE_MODEL)
        .with_columns(run=pl.col("joined"), split=pl.lit(SPLIT))
        .select(ledger.SCHEMA.names())
        .sort("run", "date")
    )
