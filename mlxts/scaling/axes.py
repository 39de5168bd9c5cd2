"""From the ledger to tables that differ along one axis (or two) and in nothing else.

parameters  N: budgets; data, features, task, timescale, horizon and recipe are the same
samples     D: unique training samples, by fraction of the history or by assets; the scored symbol's
            own bars are the same
features    F: tiers
surface     N and D together; features_surface: N and F
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import polars as pl

from mlxts import losses, protocol
from mlxts.data import bars
from mlxts.errors import DataError, RunError
from mlxts.evaluation import estimability
from mlxts.scaling import config_diff
from mlxts.scaling.ledger import LATEST
from mlxts.scaling.loss_table import LossTable, Pool, entropy

# What may be called the number of parameters of a model: a law has to be told under each.
PARAMETERS = MappingProxyType(
    {
        "total": pl.col("n_total"),
        "body": pl.col("n_body"),
        "no_embedding": pl.col("n_body") + pl.col("n_head"),
    }
)


@dataclass(frozen=True)
class Axis:
    """One way to cut the ledger.

    Attributes:
        sizes: names of the size columns, see `_sized`.
        fixed: columns that are one and the same within a table.
        unit: of the first size, for people.
    """

    name: str
    sizes: tuple[str, ...]
    fixed: tuple[str, ...]
    unit: str


_CELL = ("task", "timescale", "horizon", "symbol", "data_generator", "config_hash")
# A cell of the matrix is a name; its contents change with every download.
_DATA = ("data", "artifacts")
AXES: Mapping[str, Axis] = MappingProxyType(
    {
        a.name: a
        for a in (
            Axis(
                "parameters", ("N",),
                (*_CELL, *_DATA, "features", "samples", "history"), "parameters",
            ),
            Axis(
                "samples", ("D",), (*_CELL, "bars", "features", "history", "budget"),
                "training samples",
            ),
            # Warm-up differs between tiers, so samples may; the share of the history does not.
            Axis(
                "features", ("F",), (*_CELL, *_DATA, "fraction", "history", "budget"), "features"
            ),
            Axis("surface", ("N", "D"), (*_CELL, "bars", "features", "history"), "parameters"),
            Axis(
                "features_surface", ("N", "F"), (*_CELL, *_DATA, "fraction", "history"),
                "parameters",
            ),
        )
    }
)  # fmt: skip


def tables(
    ledger: pl.DataFrame, axis: str, *, parameters: str = "total", all_phases: bool = False
) -> list[LossTable]:
    """One table for each cell that the ledger holds along an axis, sorted by name; of a cell with
    strict and exploratory runs two, the strict ones apart.

    Args:
        axis: a name in `AXES`. parameters: a name in `PARAMETERS`, what N counts.
        all_phases: use every phase of a timescale, not the canonical one alone.

    Raises:
        DataError: runs of one cell that saw different targets on the same dates.
        RunError: no cell with two sizes.
    """
    cut = AXES[axis]
    rows = _sized(ledger if all_phases else ledger.filter("canonical"), parameters)
    rows = _with_the_whole(rows)
    groups = {
        key: group
        for key, group in rows.partition_by(cut.fixed, as_dict=True, maintain_order=True).items()
        if group.select(cut.sizes).n_unique() > 1
    }
    changed = dict(rows.select("config_hash", "non_default_settings").unique().rows())
    names = _names(cut.fixed, list(groups), changed) if groups else []
    found = [
        _table(name, one, cut, all_phases)
        for name, group in zip(names, groups.values(), strict=True)
        for one in _strict_apart(group, cut)
    ]
    if not found:
        raise RunError(
            f"no two runs differ in {cut.unit} and in nothing else; train more sizes (a sweep), or "
            "name settings that were tuned at each size with --ignore-setting"
        )
    return sorted(found, key=lambda table: table.name)


def _strict_apart(group: pl.DataFrame, cut: Axis) -> list[pl.DataFrame]:
    """A cell, and where exploratory runs join strict ones these alone as well: what the protocol
    claims does not change with what else was tried."""
    strict = group.filter(mode="strict")
    if strict.height in (0, group.height) or strict.select(cut.sizes).n_unique() < 2:
        return [group]
    return [strict, group]


def _sized(ledger: pl.DataFrame, parameters: str) -> pl.DataFrame:
    """With N (mean over the runs of a budget: they differ by less than 1 %), D and F."""
    return ledger.with_columns(
        N=PARAMETERS[parameters].mean().over("budget").cast(pl.Float64),
        D=pl.col("samples").cast(pl.Float64),
        F=pl.col("features").cast(pl.Float64),
    )


def _with_the_whole(rows: pl.DataFrame) -> pl.DataFrame:
    """Of all histories the whole one is the end: it stands in the group of each."""
    whole = rows.filter(fraction=1.0)
    others = sorted(set(rows["history"]) - {LATEST})
    return pl.concat([rows, *(whole.with_columns(history=pl.lit(one)) for one in others)])


def _names(fixed: tuple[str, ...], keys: list[tuple], changed: dict[str, str]) -> list[str]:
    """Task, horizon and timescale, and besides whatever tells these cells apart.

    Args:
        changed: by recipe, as in the ledger.
    """
    columns = dict(zip(fixed, zip(*keys, strict=True), strict=True))
    shared = config_diff.shared([changed[recipe] for recipe in columns["config_hash"]])
    names = []
    for index in range(len(keys)):
        own = {name: values[index] for name, values in columns.items()}
        parts = [f"{own['task']} H{own['horizon']} {own['timescale']}"]
        for name, shown in (
            ("symbol", "{}"), ("data", "{}"), ("features", "{} features"),
            ("samples", "{} samples"), ("fraction", "{:g} of the history"), ("history", "{}"),
            ("budget", "{}"), ("data_generator", "{}"), ("artifacts", "files {}"),
            ("bars", "file {}"),
        ):  # fmt: skip
            if name in own and len(set(columns[name])) > 1:
                parts.append(shown.format(own[name]))
        parts.append(config_diff.describe(changed[own["config_hash"]], own["config_hash"], shared))
        names.append(", ".join(filter(None, parts)))
    # Settings that came later are at their defaults in the recipes of older runs as well.
    return [
        f"{name}, recipe {columns['config_hash'][index]}" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]


def _table(name: str, group: pl.DataFrame, cut: Axis, all_phases: bool) -> LossTable:
    group = _newest(group, cut)
    order = group.select(*cut.sizes, "seed", "run").unique().sort(*cut.sizes, "seed")
    wide = group.pivot("run", index="date", values="loss").drop_nulls().sort("date")
    if not wide.height:
        raise DataError(f"{name}: its runs have no date in common; train on one data set")
    # Baselines of the run with the most training samples: where D varies they would vary as well.
    best = group.sort("samples", "run").filter(pl.col("run") == pl.col("run").last())
    rows = wide.select("date").join(best, on="date", how="left", maintain_order="left")
    agree = group.filter(pl.col("date").is_in(wide["date"].implode())).group_by("date")
    if (agree.agg(pl.col("target").n_unique())["target"] > 1).any():
        raise DataError(f"{name}: its runs have different targets on one date; train them again")
    dates, targets = wide["date"].to_numpy(), rows["target"].to_numpy()
    first = rows.row(0, named=True)
    task = protocol.TASKS[first["task"]]
    scale = protocol.TIMESCALES[first["timescale"]]
    spacing = 1 if all_phases else bars.spacing(scale)
    marked = name if (group["mode"] == "strict").all() else f"{name} (exploratory)"
    return LossTable(
        name=marked,
        dates=dates,
        losses=wide.select(order["run"].to_list()).to_numpy(),
        har=rows["loss_har"].to_numpy(),
        linear=rows["loss_linear"].to_numpy(),
        reference=rows["loss_reference"].to_numpy(),
        prior=rows["loss_prior"].to_numpy(),
        sizes=order.select(cut.sizes).to_numpy(),
        runs=tuple(order["run"].to_list()),
        horizon=first["horizon"],
        spacing=spacing,
        bound=entropy(float(targets.mean())) if task.binary else float(np.var(targets)),
        obstacle=estimability.obstacle_of(task, dates, targets, first["horizon"], spacing)
        or untrained(rows),
        unit=losses.unit(task),
        pool=Pool(
            (group["mode"] == "strict").all(),
            first["config_hash"],
            first["data_generator"],
            first["non_default_settings"],
        ),
    )


def untrained(rows: pl.DataFrame) -> str | None:
    """Why no reference could be fitted for rows of a ledger, or None."""
    return next(iter(rows["not_estimable"].drop_nulls()), None)


def _newest(group: pl.DataFrame, cut: Axis) -> pl.DataFrame:
    """Of runs of one size and seed the one that was started last."""
    runs = group.select(*cut.sizes, "seed", "started", "run").unique()
    latest = runs.sort("started", "run").unique((*cut.sizes, "seed"), keep="last")
    return group.filter(pl.col("run").is_in(latest["run"].implode()))


def design(ledger: pl.DataFrame, tables: Sequence[LossTable], parameters: str) -> pl.DataFrame:
    """For the mixed model one row a run, table by table: cell, seed, N, D, F."""
    sized = (
        _sized(ledger, parameters)
        .unique("run")
        .with_columns(cell=pl.format("{} H{} {}", "task", "horizon", "timescale"))
    )
    order = pl.DataFrame({"run": [run for table in tables for run in table.runs]})
    columns = ["run", "cell", "seed", "N", "D", "F"]
    return order.join(sized.select(columns), on="run", how="left", maintain_order="left")
