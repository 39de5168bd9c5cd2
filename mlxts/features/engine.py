"""From names to columns: staged lazy plans, one symbol's bars at a time.

Only what the requested features depend on is computed, a few hundred features at a time, and a
column is dropped after the last of them that reads it. The plans are deep and wide, and Polars'
streaming engine needs a hundred times the time and ten times the memory for them, so the in-memory
engine is chosen by name.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import NamedTuple

import polars as pl

from mlxts.features import catalog
from mlxts.features.feature import Feature, closure
from mlxts.features.quantity import Column

# A part of the hash by which a run knows its data again. It grows when a kernel or an operation
# computes something else by the same formula: runs of before are then not predicted any more.
REVISION = 1
BARS = ("date", "open", "high", "low", "close", "volume")


_SYMBOLS_AT_ONCE = 2  # planning, and our own kernels, run one at a time: more threads would wait
_FEATURES_AT_ONCE = 200


class Part(NamedTuple):
    """Some of the features, of the same families as far as that goes.

    Attributes:
        stages: columns to compute, those of a stage from those of the stages before.
        wanted: the features themselves.
        carried: computed columns that later parts read.
    """

    stages: list[list[pl.Expr]]
    wanted: list[pl.Expr]
    carried: list[str]


def build(frame: pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    """Compute features of the bars of one symbol or several.

    Args:
        frame: sorted by (symbol, date), with adjusted prices and no nulls in `BARS`.
        names: features of the catalog, in the order wanted.

    Returns:
        date, symbol, then one Float32 column a feature: null in its warm-up and nowhere else.

    Raises:
        ConfigError: a name that the catalog does not have.
    """
    features = tuple(catalog.get(name) for name in names)
    bars = frame.select("symbol", *BARS).collect(engine="in-memory")
    built = [*ahead(partial(build_symbol, features=features), bars.partition_by("symbol"))]
    return pl.concat(built, rechunk=False) if built else build_symbol(bars, features)


def ahead(
    compute: Callable[[pl.DataFrame], pl.DataFrame], tables: Iterable[pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """The results for some tables in their order, two computed at a time, one more waiting."""
    with ThreadPoolExecutor(_SYMBOLS_AT_ONCE) as pool:
        results: deque[Future[pl.DataFrame]] = deque()
        for table in tables:
            results.append(pool.submit(compute, table))
            if len(results) > _SYMBOLS_AT_ONCE:
                yield results.popleft().result()
        while results:
            yield results.popleft().result()


def build_symbol(bars: pl.DataFrame, features: tuple[Feature, ...]) -> pl.DataFrame:
    """`build` for the bars of a single symbol and features that need not be in the catalog."""
    columns, built = bars, [bars.select("date", "symbol")]
    for part in plan(features):
        columns = _with_columns(part, columns)
        # Apart from the columns: a column may have the name of a feature.
        built.append(_collected(columns.lazy().select(part.wanted)))
        columns = columns.select(*bars.columns, *part.carried)
    names = [feature.name for feature in features]
    return pl.concat(built, how="horizontal").select("date", "symbol", *names)


def _with_columns(part: Part, table: pl.DataFrame) -> pl.DataFrame:
    lazy = table.lazy()
    for stage in part.stages:
        lazy = lazy.with_columns(stage)
    return _collected(lazy)


def _collected(lazy: pl.LazyFrame) -> pl.DataFrame:
    return lazy.collect(engine="in-memory", optimizations=_PLAIN)


# Every shared term is a named stage already: searching for more of them only costs time.
_PLAIN = pl.QueryOptFlags(comm_subexpr_elim=False, comm_subplan_elim=False)


@lru_cache(maxsize=8)
def plan(features: tuple[Feature, ...]) -> list[Part]:
    """How features are computed, and what is computed for them on the way."""
    by_family = sorted(features, key=lambda feature: feature.family)
    stage_of = closure([feature.quantity for feature in features])
    parts, reads, computed = list[Part](), list[set[str]](), set[Column]()
    for first in range(0, len(by_family), _FEATURES_AT_ONCE):
        chosen = by_family[first : first + _FEATURES_AT_ONCE]
        needed = closure([feature.quantity for feature in chosen])
        new = [column for column in needed if column not in computed]
        computed.update(new)
        stages: dict[int, list[pl.Expr]] = {}
        for column in sorted(new, key=stage_of.__getitem__):
            expression = column.quantity.expr.cast(pl.Float64).alias(column.name)
            stages.setdefault(stage_of[column], []).append(expression)
        wanted = [feature.quantity.expr.cast(pl.Float32).alias(feature.name) for feature in chosen]
        quantities = [*(column.quantity for column in new), *(f.quantity for f in chosen)]
        reads.append({read.name for quantity in quantities for read in quantity.columns})
        # Of the columns so far; those that no later part reads are taken out below.
        parts.append(Part([*stages.values()], wanted, sorted(column.name for column in computed)))
    read_later = set[str]()
    for number in reversed(range(len(parts))):
        carried = [name for name in parts[number].carried if name in read_later]
        parts[number] = parts[number]._replace(carried=carried)
        read_later |= reads[number]
    return parts
