"""Data quality: a cell of the dataset matrix against the next one, which joins more series.

Columns a to d, and row E against D, have no size for a law. Two cells are compared
that differ in the joined series alone: same assets, tier, budget, dates, origins and seeds. The
gain is how many nats less the second loses. Its reference reads the series too, so that what the
network makes of them and what they are worth to a linear model are reported separately.
"""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from mlxts.errors import RunError
from mlxts.scaling import over_reference
from mlxts.scaling.loss_table import LossTable, named
from mlxts.scaling.run_table import loss_table

_FIXED = (
    "task", "timescale", "horizon", "data_generator", "config_hash", "assets", "tier", "fraction",
    "history", "budget",
)  # fmt: skip


def tables(ledger: pl.DataFrame, *, all_phases: bool, panel: bool) -> list[LossTable]:
    """One table of two cells for each pair, and what the network and its reference make of it.

    Raises:
        RunError: no two cells differ in their series alone.
    """
    fixed = _FIXED if panel else (*_FIXED, "symbol", "bars")
    pair_tables = []
    for group in ledger.partition_by(fixed, maintain_order=True):
        for fewer, more in _pairs(group):
            both = group.filter(pl.col("exogenous").is_in([fewer, more])).with_columns(
                X=pl.when(exogenous=more).then(10.0).otherwise(1.0)
            )
            names = [both.filter(exogenous=series)["data"][0] for series in (fewer, more)]
            first = both.row(0, named=True)
            name = f"{first['task']} H{first['horizon']} {first['timescale']}, {first['budget']}"
            if not panel and ledger["symbol"].n_unique() > 1:
                name += f", {first['symbol']}"
            table = loss_table(name, both, ("X",), all_phases=all_phases, panel=panel)
            if table is None:
                continue
            table = replace(named(table, " → ".join(names)), paired=True)
            pair_tables.append(table)
            if over_reference.differ(table):
                pair_tables += over_reference.parts(table)
    if not pair_tables:
        raise RunError(
            "no two cells differ in their joined series alone; `mlxts sweep run "
            "configs/sweeps/study_columns.yaml` trains some"
        )
    return pair_tables


def _pairs(group: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """The joined series of cells, each with those of the next cell that holds them all."""
    series_of = {
        joined: frozenset(filter(None, joined.split(", ")))
        for joined in group["exogenous"].unique()
    }
    for fewer, small in sorted(series_of.items(), key=lambda item: (len(item[1]), item[0])):
        larger = {joined: series for joined, series in series_of.items() if small < series}
        for more, series in sorted(larger.items()):
            if not any(other < series for other in larger.values()):
                yield fewer, more
