"""The catalog: every candidate feature there is, by name. Tiers pick from it."""

from functools import cache

from mlxts.errors import ConfigError
from mlxts.features.families import (
    breakouts,
    candles,
    crosses,
    drawdown,
    oscillators,
    regime,
    seasons,
    streaks,
    trend,
    volatility,
    volume,
)
from mlxts.features.feature import Family, Feature

# By priority: tiers take from these in turn.
FAMILIES: tuple[Family, ...] = tuple(
    module.FAMILY
    for module in (
        volatility,
        trend,
        oscillators,
        volume,
        breakouts,
        candles,
        crosses,
        drawdown,
        streaks,
        regime,
        seasons,
    )
)


@cache
def by_name() -> dict[str, Feature]:
    return {feature.name: feature for family in FAMILIES for feature in family.features}


def get(name: str) -> Feature:
    """A feature by its name. Raises ConfigError."""
    try:
        return by_name()[name]
    except KeyError:
        raise ConfigError(f"no feature is named {name}; `mlxts features list` shows them") from None


def needs_volume(name: str) -> bool:
    """Whether a feature is computed from the volume. Raises ConfigError."""
    feature = get(name)
    quantities = [feature.quantity, *(column.quantity for column in feature.parts())]
    return any("volume" in quantity.expr.meta.root_names() for quantity in quantities)
