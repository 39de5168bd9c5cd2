"""From the ledger to tables that differ along one axis (or two) and in nothing else.

parameters  N: budgets; data, features, task, timescale, horizon and other settings are the same
compute     the same runs by the operations of their training, at one origin
features    F: tiers; the reference reads the same tier, see `scaling/over_reference.py`
history     D: unique training samples, by the share of the most recent training dates
assets      D by the number of pooled assets: rows A to D of the matrix. Not one law with history
surface     N and D (by history) together; features_surface: N and F
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from mlxts.errors import RunError
from mlxts.formats import count
from mlxts.scaling import column_pairs, config_diff, over_reference
from mlxts.scaling.ledger import LATEST
from mlxts.scaling.loss_table import LossTable, named
from mlxts.scaling.run_table import loss_table

# What may be called the number of parameters of a model: a law has to be reported under each.
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


COLUMNS = "columns"
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
                "compute", ("C",), (*_CELL, *_DATA, "features", "samples", "history"), "operations",
            ),
            Axis(
                "history", ("D",), (*_CELL, *_DATA, "features", "history", "budget"),
                "training samples",
            ),
            Axis(
                "assets", ("A",),
                (*_CELL, "bars", "exogenous", "features", "fraction", "history", "budget"),
                "pooled assets",
            ),
            # Warm-up differs between tiers, so samples may; the share of the history does not.
            Axis(
                "features", ("F",), (*_CELL, *_DATA, "fraction", "history", "budget"), "features"
            ),
            Axis("surface", ("N", "D"), (*_CELL, *_DATA, "features", "history"), "parameters"),
            Axis(
                "features_surface", ("N", "F"), (*_CELL, *_DATA, "fraction", "history"),
                "parameters",
            ),
        )
    }
)  # fmt: skip


def tables(
    ledger: pl.DataFrame,
    axis: str,
    *,
    parameters: str = "total",
    all_phases: bool = False,
    panel: bool = False,
) -> list[LossTable]:
    """One table for each cell that the ledger holds along an axis, sorted by name; of a cell with
    strict and exploratory runs two, the strict ones apart; and where some sizes were trained at
    fewer forecast origins than others, one for the sizes that each set of origins has in common.

    Args:
        axis: a name in `AXES`, or `COLUMNS` (see `scaling/column_pairs.py`).
        parameters: a name in `PARAMETERS`, what N counts.
        all_phases: use every phase of a timescale, not the canonical one alone.
        panel: the mean over the assets that all runs of a cell score, instead of each asset.

    Raises:
        DataError: runs of one cell that saw different targets on the same dates.
        RunError: no cell with two sizes.
    """
    if axis == COLUMNS:
        rows = ledger if all_phases else ledger.filter("canonical")
        return column_pairs.tables(rows, all_phases=all_phases, panel=panel)
    cut = AXES[axis]
    fixed = tuple(name for name in cut.fixed if not (panel and name in ("symbol", "bars")))
    rows = _with_full_history(
        sized(ledger if all_phases else ledger.filter("canonical"), parameters)
    )
    groups = {
        key: group
        for key, group in rows.partition_by(fixed, as_dict=True, maintain_order=True).items()
        if group.select(cut.sizes).n_unique() > 1
    }
    changed = dict(rows.select("config_hash", "non_default_settings").unique().rows())
    names = cell_names(fixed, list(groups), changed) if groups else []
    losses_tables = [
        losses_table
        for name, group in zip(names, groups.values(), strict=True)
        for runs in _strict_separately(group, cut)
        for estimand, part in _by_origins(runs, cut)
        for losses_table in _cell(name, part, cut, all_phases, panel, estimand)
    ]
    if not losses_tables:
        raise RunError(
            f"no two runs differ in {cut.unit} and in nothing else; train more sizes (a sweep), or "
            "name settings that were tuned at each size with --ignore-setting"
        )
    return sorted(losses_tables, key=lambda table: (table.pool.estimand, table.name))


def _cell(
    name: str, group: pl.DataFrame, cut: Axis, all_phases: bool, panel: bool, estimand: str
) -> list[LossTable]:
    """The table of a cell; where sizes have references of their own (along features and history)
    also what the network adds, and the reference alone."""
    losses = loss_table(name, group, cut.sizes, all_phases=all_phases, panel=panel)
    if losses is None:
        return []
    losses = named(losses, estimand)
    if len(cut.sizes) > 1 or not over_reference.differ(losses):
        return [losses]
    return [losses, *over_reference.parts(losses)]


def _by_origins(group: pl.DataFrame, cut: Axis) -> Iterator[tuple[str, pl.DataFrame]]:
    """The sizes that were trained at the same forecast origins, the most origins first.

    At an origin a size counts where all of its seeds were trained there.
    """
    if group["origin"].is_null().any():
        yield "", group
        return
    at = group.select(*cut.sizes, "seed", "origin").unique()
    seeds = at.group_by(cut.sizes).agg(pl.col("seed").n_unique().alias("all"))
    complete = (
        at.group_by(*cut.sizes, "origin")
        .agg(pl.col("seed").n_unique())
        .join(seeds, on=cut.sizes)
        .filter(pl.col("seed") == pl.col("all"))
        .group_by(cut.sizes)
        .agg(pl.col("origin").sort())
    )
    sets = {frozenset(row[-1]): row[-1] for row in complete.rows()}
    most, before = None, 0
    for origins in sorted(sets, key=lambda origin_set: (-len(origin_set), sorted(origin_set))):
        sizes = complete.filter(
            pl.col("origin").list.set_intersection(sorted(origins)).list.len() == len(origins)
        )
        if sizes.height < 2 or sizes.height <= before:
            continue
        before = sizes.height
        estimand = "" if most is None else f"at {count(len(origins), 'origin')}"
        most = most or origins
        runs_of_sizes = group.join(sizes.select(cut.sizes), on=cut.sizes, how="semi")
        yield estimand, runs_of_sizes.filter(pl.col("origin").is_in(sorted(origins)))


def _strict_separately(group: pl.DataFrame, cut: Axis) -> list[pl.DataFrame]:
    """A cell, and where exploratory runs join strict ones these alone as well: what the protocol
    claims does not change with what else was tried."""
    strict = group.filter(mode="strict")
    if strict.height in (0, group.height) or strict.select(cut.sizes).n_unique() < 2:
        return [group]
    return [strict, group]


def sized(ledger: pl.DataFrame, parameters: str = "total") -> pl.DataFrame:
    """With N (mean over the runs of a budget: they differ by less than 1 %), C (likewise, of one
    origin), D, F and A."""
    alike = ("budget", "config_hash", "data", "features", "samples", "task", "timescale", "horizon")
    origins = pl.col("origin").n_unique().over("run")
    return ledger.with_columns(
        N=PARAMETERS[parameters].mean().over("budget").cast(pl.Float64),
        C=(pl.col("flops") / origins).mean().over(alike),
        D=pl.col("samples").cast(pl.Float64),
        F=pl.col("features").cast(pl.Float64),
        A=pl.col("assets").cast(pl.Float64),
    )


def _with_full_history(rows: pl.DataFrame) -> pl.DataFrame:
    """Of all histories the whole one is the end: it is in the group of each."""
    full_history = rows.filter(fraction=1.0)
    histories = sorted(set(rows["history"].unique()) - {LATEST})
    return pl.concat(
        [rows, *(full_history.with_columns(history=pl.lit(history)) for history in histories)]
    )


def cell_names(fixed: tuple[str, ...], keys: list[tuple], changed: dict[str, str]) -> list[str]:
    """Task, horizon and timescale, and whatever else differs between these cells.

    Args:
        changed: by recipe, as in the ledger.
    """
    columns = dict(zip(fixed, zip(*keys, strict=True), strict=True))
    shared = config_diff.shared([changed[recipe] for recipe in columns["config_hash"]])
    names = []
    for index in range(len(keys)):
        cell = {name: values[index] for name, values in columns.items()}
        parts = [f"{cell['task']} H{cell['horizon']} {cell['timescale']}"]
        for name, template in (
            ("symbol", "{}"), ("data", "{}"), ("exogenous", "{}"), ("features", "{} features"),
            ("samples", "{} samples"), ("fraction", "{:g} of the history"), ("history", "{}"),
            ("budget", "{}"), ("data_generator", "{}"), ("artifacts", "files {}"),
            ("bars", "file {}"),
        ):  # fmt: skip
            if name in cell and len(set(columns[name])) > 1:
                parts.append(template.format(cell[name]))
        parts.append(
            config_diff.describe(changed[cell["config_hash"]], cell["config_hash"], shared)
        )
        names.append(", ".join(filter(None, parts)))
    # Settings that came later are at their defaults in the recipes of older runs as well.
    return [
        f"{name}, configuration {columns['config_hash'][index]}" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]


def design(ledger: pl.DataFrame, tables: Sequence[LossTable], parameters: str) -> pl.DataFrame:
    """For the mixed model one row a run, table by table: cell, seed, N, D, F."""
    of_runs = (
        sized(ledger, parameters)
        .unique("run")
        .with_columns(cell=pl.format("{} H{} {}", "task", "horizon", "timescale"))
    )
    order = pl.DataFrame({"run": [run for table in tables for run in table.runs]})
    columns = ["run", "cell", "seed", "N", "D", "F"]
    return order.join(of_runs.select(columns), on="run", how="left", maintain_order="left")
