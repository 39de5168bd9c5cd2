"""The tiers: nested lists of features, 20 ⊂ 50 ⊂ … ⊂ 2,000, in one frozen order."""

from functools import cache
from pathlib import Path

from mlxts import protocol
from mlxts.errors import ConfigError
from mlxts.features import catalog

ORDER = Path(__file__).with_name("order.txt")  # frozen; written by `mlxts features freeze`

# The first tier, chosen by hand: relational, short warm-ups, spread over what is known to matter.
# Volatility leads because how far tomorrow's high may reach is mostly a matter of range.
HEAD = (
    "range_1_relative_250",
    "range_5_relative_250",
    "range_22_relative_250",
    "atr_share_14_percentile_120",
    "range_5_over_range_66_ratio",
    "downside_20_over_upside_20_ratio",
    "true_range_atr_1_level",
    "close_location_1_level",
    "return_1_level",
    "momentum_5_level",
    "momentum_21_level",
    "sma_20_distance_atr",
    "sma_50_duration",
    "sma_200_distance_pct",
    "macd_12_26_9_histogram_level",
    "rsi_14_level",
    "volume_oscillator_1_60_level",
    "obv_flow_20_level",
    "drawdown_250_pct",
    "close_run",
)


def tier(size: int, *, volume: bool = True) -> tuple[str, ...]:
    """The names of a tier's features, in order. Raises ConfigError if there is no such tier.

    Args:
        volume: False: only those that can be computed without a volume.
    """
    if size not in protocol.TIERS:
        choices = ", ".join(map(str, protocol.TIERS))
        raise ConfigError(f"there is no tier of {size} features; choose from {choices}")
    names = order()[:size]
    return names if volume else tuple(name for name in names if not catalog.needs_volume(name))


def smallest(name: str) -> int | None:
    """The first tier that holds a feature; None if no tier does."""
    place = _places().get(name)
    return None if place is None else next(size for size in protocol.TIERS if place < size)


@cache
def order() -> tuple[str, ...]:
    """Every feature of the tiers, in the order in which they join."""
    lines = ORDER.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


@cache
def header() -> dict[str, str]:
    """The origin of the packaged order: `origin`, `candidates`, symbols, ..."""
    lines = ORDER.read_text(encoding="utf-8").splitlines()
    pairs = (line[1:].split(":", 1) for line in lines if line.startswith("#") and ": " in line)
    return {key.strip(): value.strip() for key, value in pairs}


@cache
def _places() -> dict[str, int]:
    return {name: place for place, name in enumerate(order())}
