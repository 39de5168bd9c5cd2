"""The tiers: nested lists of features, 20 ⊂ 50 ⊂ … ⊂ 2,000, in one frozen order."""

from mlxts import protocol
from mlxts.errors import ConfigError

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
    "volume_1_relative_250",
    "obv_flow_20_level",
    "drawdown_250_pct",
    "close_run",
)


def tier(size: int) -> tuple[str, ...]:
    """The names of a tier's features, in order. Raises ConfigError if there is no such tier."""
    if size not in protocol.TIERS:
        choices = ", ".join(map(str, protocol.TIERS))
        raise ConfigError(f"there is no tier of {size} features; choose from {choices}")
    return order()[:size]


def order() -> tuple[str, ...]:
    """Every feature of the tiers, in the order in which they join."""
    return HEAD
