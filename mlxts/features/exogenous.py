"""Features of exogenous series: the same relations, never inside a tier.

Each compares a series, as it was known on each bar, with its own past alone, so neither its unit
nor its scale matters. 0 means "as usual" in all of them, which is also what a model reads before
a series begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import polars as pl

from mlxts.data import exogenous_releases
from mlxts.data.exogenous_releases import Releases
from mlxts.features import engine, relations
from mlxts.features.feature import Feature, Relation, closure, product
from mlxts.features.quantity import Quantity, inverse, raw
from mlxts.files import canonical_hash

FAMILY = "exogenous"
YEAR, QUARTER, MONTH, WEEK = 250, 60, 20, 5  # bars

# A year's deviation below it is none: yields come in hundredths of a percent, growth in fractions.
_STILL = 1e-4


@dataclass(frozen=True, eq=False)
class Outside:
    """A column of a panel as the subject of features."""

    name: str
    value: Quantity

    def per_deviation(self) -> Quantity:
        """Differences of the series into multiples of its deviation over a year."""
        return inverse(self.value.std(YEAR), _STILL).named(f"{self.name}_per_deviation")


def _rank(series: Outside) -> Quantity:
    return series.value.percentile(YEAR) - 50.0


def _distance(series: Outside) -> Quantity:
    return (series.value - series.value.mean(YEAR)) * series.per_deviation()


def _slope(bars: int) -> Relation[Outside]:
    def build(series: Outside) -> Quantity:
        return relations.slope(series.value, bars, series.per_deviation())

    return Relation(f"slope_{bars}", "slope", "sigma", build)


def _acceleration(series: Outside) -> Quantity:
    return relations.acceleration(series.value, MONTH, series.per_deviation())


def _duration(series: Outside) -> Quantity:
    return relations.duration((series.value - series.value.mean(QUARTER)) * series.per_deviation())


RELATIONS: tuple[Relation[Outside], ...] = (
    Relation(f"rank_{YEAR}", "position", "percent", _rank),
    Relation(f"distance_{YEAR}", "distance", "sigma", _distance),
    _slope(WEEK),
    _slope(MONTH),
    Relation(f"acceleration_{MONTH}", "acceleration", "sigma", _acceleration),
    Relation(f"duration_{QUARTER}", "duration", "bars", _duration),
)


@cache
def features(column: str) -> tuple[Feature, ...]:
    """The features of one column, e.g. `exog_vix` -> `exog_vix_rank_250`, ..."""
    return product(FAMILY, [Outside(column, raw(column))], RELATIONS)


def append(table: pl.DataFrame, releases: Sequence[Releases]) -> pl.DataFrame:
    """Add the features of exogenous series to those of a tier.

    Args:
        table: date, symbol, ...; a row a bar, the bars of a symbol and phase together, by date.

    Returns:
        The table and the Float32 features of each series, in their order; null before a series
        begins and in its warm-up.
    """
    if not releases:
        return table
    return pl.concat([table, build(table, releases).drop("date", "symbol")], how="horizontal")


def build(bars: pl.DataFrame, releases: Sequence[Releases]) -> pl.DataFrame:
    """Compute the features of series on the dates of bars.

    Args:
        bars: as `table` of `append`.

    Returns:
        date, symbol, then the features, in the order of the bars.
    """
    wanted = tuple(feature for release in releases for feature in features(release.series.column))
    released_values = exogenous_releases.as_of(bars["date"], releases)
    # Joined here and not carried over from the days: a bar may end on a day without one.
    joined = bars.select("date", "symbol").join(
        released_values, on="date", how="left", maintain_order="left"
    )
    parts = joined.with_columns(_series()).partition_by(_SERIES, maintain_order=True)
    return pl.concat([engine.build_symbol(part, wanted) for part in parts])


_SERIES = "series"


def _series() -> pl.Expr:
    """A number for each symbol and phase: the next one begins where dates do not go on.

    Phases of a single bar each may run together; nothing is computed from that few bars.
    """
    same = pl.col("symbol") == pl.col("symbol").shift(1)
    goes_on = same & (pl.col("date") > pl.col("date").shift(1))
    return (~goes_on.fill_null(True)).cum_sum().alias(_SERIES)


def recipe(releases: Sequence[Releases]) -> dict[str, str]:
    """What decides the features besides bars and series: lags, forms, formulas; empty for none."""
    if not releases:
        return {}
    wanted = [feature for release in releases for feature in features(release.series.column)]
    columns = closure([feature.quantity for feature in wanted])
    decided = {
        "revision": engine.REVISION,
        "series": [
            (s.id, s.lag_days, s.form, [(x.first, x.last, x.lag_days) for x in s.late])
            for s in (release.series for release in releases)
        ],
        "features": [(feature.name, feature.quantity.formula) for feature in wanted],
        "columns": sorted((column.name, column.quantity.formula) for column in columns),
    }
    return {"exogenous": canonical_hash(decided)}
