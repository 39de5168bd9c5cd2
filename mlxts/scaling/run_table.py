"""Rows of a ledger that differ in size and seed alone, as a table of losses by date.

Of one asset a loss is that of the date. On the panel it is the mean over the assets that every run
scores on that date, each with the same weight, so that dates are drawn with all of their assets.
Assets that are not estimable take no part.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from mlxts import losses, protocol, tasks
from mlxts.data import bars
from mlxts.errors import DataError
from mlxts.evaluation import estimability
from mlxts.formats import count
from mlxts.scaling.loss_table import LossTable, Pool, entropy, named, slope_weights

_KEYS = ("date", "symbol")
PANEL = "panel"


def loss_table(
    name: str, group: pl.DataFrame, sizes: Sequence[str], *, all_phases: bool, panel: bool
) -> LossTable | None:
    """The table of a group; None on the panel of runs that have fewer than two assets in common.

    Args:
        name: of the cell. group: rows of a ledger, with the columns `sizes`.
        all_phases: whether rows are of every phase of the timescale.
        panel: over the mean of all assets that the runs have in common.

    Raises:
        DataError: runs that saw different targets on the same dates, or no date in common.
    """
    group = _newest(group, sizes)
    order = group.select(*sizes, "seed", "run").unique().sort(*sizes, "seed")
    runs = order["run"].to_list()
    wide = group.pivot("run", index=_KEYS, values="loss").drop_nulls().sort(_KEYS)
    if not wide.height:
        raise DataError(f"{name}: its runs have no date in common; train on one data set")
    # Baselines of the run with the most training samples: where D varies they would vary as well.
    best = group.sort("samples", "run").filter(pl.col("run") == pl.col("run").last())
    agree = group.join(wide.select(_KEYS), on=_KEYS, how="semi").group_by(_KEYS)
    if (agree.agg(pl.col("target").n_unique())["target"] > 1).any():
        raise DataError(f"{name}: its runs have different targets on one date; train them again")
    first = best.row(0, named=True)
    task, scale = tasks.named(first["task"]), protocol.TIMESCALES[first["timescale"]]
    horizon, spacing = first["horizon"], 1 if all_phases else bars.spacing(scale)
    rows = wide.select(_KEYS).join(best, on=_KEYS, how="left", maintain_order="left")
    symbol_rows = {
        str(symbol): part for (symbol,), part in rows.group_by("symbol", maintain_order=True)
    }
    obstacles = {
        symbol: estimability.obstacle_of(
            task, part["date"].to_numpy(), part["target"].to_numpy(), horizon, spacing
        )
        or untrained(part)
        for symbol, part in symbol_rows.items()
    }
    obstacle = next(iter(obstacles.values())) if len(obstacles) == 1 else None
    if panel:
        estimable = [symbol for symbol, problem in obstacles.items() if problem is None]
        if len(symbol_rows) < 2:
            return None
        if len(estimable) < 2:
            obstacle = f"{len(estimable)} of {count(len(symbol_rows), 'asset')} can be estimated"
        else:
            is_estimable = pl.col("symbol").is_in(estimable)
            wide, rows = wide.filter(is_estimable), rows.filter(is_estimable)
    dates, date_of = np.unique(wide["date"].to_numpy(), return_inverse=True)
    shares = 1.0 / np.bincount(date_of)

    def by_date(frame: pl.DataFrame) -> np.ndarray:
        """Means over the assets of a date: (T, columns)."""
        sums = np.zeros((len(dates), frame.width))
        np.add.at(sums, date_of, frame.cast(pl.Float64).fill_null(np.nan).to_numpy())
        return sums * shares[:, None]

    references = group.pivot("run", index=_KEYS, values="loss_reference")
    references = wide.select(_KEYS).join(references, on=_KEYS, how="left", maintain_order="left")
    reference_losses = by_date(references.select(runs))
    baselines = by_date(rows.select("loss_har", "loss_linear", "loss_reference", "loss_prior"))
    origins = rows.unique("date", maintain_order=True).sort("date")["origin"]
    table = LossTable(
        name=name if (group["mode"] == "strict").all() else f"{name} (exploratory)",
        dates=dates,
        losses=by_date(wide.select(runs)),
        har=baselines[:, 0],
        linear=baselines[:, 1],
        reference=baselines[:, 2],
        prior=baselines[:, 3],
        sizes=order.select(sizes).to_numpy(),
        runs=tuple(runs),
        horizon=horizon,
        spacing=spacing,
        bound=float(
            np.mean([_bound(part["target"].to_numpy(), task) for part in symbol_rows.values()])
        ),
        obstacle=obstacle,
        origins=None if origins.null_count() else origins.to_numpy(),
        references=reference_losses if np.isfinite(reference_losses).all() else None,
        reference_name=" or ".join(group["reference"].drop_nulls().unique().sort()),
        assets=wide["symbol"].n_unique(),
        unit=losses.unit(task),
        pool=Pool(
            (group["mode"] == "strict").all(),
            first["config_hash"],
            first["data_generator"],
            first["non_default_settings"],
        ),
    )
    forecasts = group.pivot("run", index=_KEYS, values="forecast")
    forecasts = wide.select(_KEYS).join(forecasts, on=_KEYS, how="left", maintain_order="left")
    if not any(forecasts.null_count().row(0)):
        table = replace(table, ensembles=by_date(_ensembles(forecasts.select(runs), rows, table)))
    if not panel:
        return table
    table = named(table, PANEL)
    if len(table.rungs) < 2:
        return table
    return replace(table, n_eff_assets=_effective(wide, runs, slope_weights(table)))


def _ensembles(forecasts: pl.DataFrame, rows: pl.DataFrame, table: LossTable) -> pl.DataFrame:
    """Losses of the mean forecast of each size, a column a size.

    Args:
        forecasts: a column a run. rows: of the ledger, aligned with them.
    """
    predicted, task = forecasts.to_numpy(), tasks.named(rows["task"][0])
    means = [predicted[:, table.rung_of_run == k].mean(axis=1) for k in range(len(table.rungs))]
    targets = rows["target"].to_numpy()
    return pl.DataFrame(
        {str(k): losses.sample_losses(mean, targets, task) for k, mean in enumerate(means)}
    )


def _bound(targets: np.ndarray, task: protocol.Task) -> float:
    """The loss of a forecast that knows the base rate of these rows and nothing else."""
    return entropy(float(targets.mean())) if task.binary else float(np.var(targets))


def _effective(wide: pl.DataFrame, runs: Sequence[str], weights: np.ndarray) -> float:
    """How many independent assets would know the gain per decade as well as these do: the mean
    variance of an asset's daily part of it, over the variance of the part of their mean."""
    part = wide.select(*_KEYS, gain=pl.sum_horizontal(
        pl.col(run) * float(weight) for run, weight in zip(runs, weights, strict=True)
    ))  # fmt: skip
    alone = part.group_by("symbol").agg(pl.col("gain").var())["gain"].mean()
    together = part.group_by("date").agg(pl.col("gain").mean())["gain"].var()
    assets = part["symbol"].n_unique()
    if not together or alone is None:
        return float(assets)
    return float(min(assets, alone / together))  # ty: ignore[unsupported-operator]


def untrained(rows: pl.DataFrame) -> str | None:
    """Why no reference could be fitted for rows of a ledger, or None."""
    return next(iter(rows["not_estimable"].drop_nulls()), None)


def _newest(group: pl.DataFrame, sizes: Sequence[str]) -> pl.DataFrame:
    """Of runs of one size and seed the one that was started last."""
    runs = group.select(*sizes, "seed", "started", "run").unique()
    latest = runs.sort("started", "run").unique((*sizes, "seed"), keep="last")
    return group.filter(pl.col("run").is_in(latest["run"].implode()))
