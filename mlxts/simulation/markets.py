"""The simulated markets by name, with exact probabilities: positive and negative controls.

Each delivers bars with, in every row, the exact probability of every binary target given the bars
(and features, if any) up to then. N0, N1 and N3 are negative controls, on which nothing may be
detected but N3's leak; P1, P2 and P3 are positive controls, on which the signal must be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from mlxts.errors import ConfigError
from mlxts.simulation.base import Market
from mlxts.simulation.lookahead_leak import LookaheadLeak
from mlxts.simulation.martingales import ConstantVolatility, SwitchingVolatility
from mlxts.simulation.regimes import HiddenRegime
from mlxts.simulation.teacher import LinearTeacher
from mlxts.simulation.zipf import ZipfPatterns


@dataclass(frozen=True)
class MarketKind:
    """A market by name.

    Attributes:
        control: its number among the controls.
        make: its class; the dataclass fields are its parameters (dials).
        summary: what it is for, in a few words.
    """

    control: str
    make: type[Market]
    summary: str


MARKETS: Mapping[str, MarketKind] = MappingProxyType(
    {
        "gbm": MarketKind("N0", ConstantVolatility, "constant volatility: nothing is predictable"),
        "sv": MarketKind(
            "N1", SwitchingVolatility, "stochastic volatility: only touches are predictable"
        ),
        "canary": MarketKind("N3", LookaheadLeak, "a look-ahead feature that has to be detected"),
        "regimes": MarketKind("P1", HiddenRegime, "a hidden drift, to be filtered from noise"),
        "zipf": MarketKind("P2", ZipfPatterns, "patterns with Zipf frequencies: known exponents"),
        "teacher": MarketKind("P3", LinearTeacher, "a linear teacher with features in known order"),
    }
)
# Of each parameter: more than the first number, at most the second, and the condition in words.
_LIMITS: Mapping[str, tuple[float, float, str]] = MappingProxyType(
    {
        "volatility": (0.0, 0.1, "above 0, at most 0.1 a day"),
        "low": (0.0, 0.1, "above 0, at most 0.1 a day"),
        "high": (0.0, 0.1, "above 0, at most 0.1 a day"),
        "stay": (0.0, 1.0 - 1e-9, "above 0 and below 1"),
        "stay_low": (0.0, 1.0 - 1e-9, "above 0 and below 1"),
        "stay_high": (0.0, 1.0 - 1e-9, "above 0 and below 1"),
        "drift": (0.0, 5.0, "above 0, at most 5 daily volatilities"),
        "clarity": (-1e-9, 5.0, "from 0 to 5 deviations"),
        "exponent": (0.0, 5.0, "above 0, at most 5"),
        "leak": (0.0, 1.0, "above 0, at most 1"),
    }
)


def make(kind: str, dials: Mapping[str, float] = MappingProxyType({})) -> Market:
    """A market with some parameters set, the others at their defaults.

    Raises:
        ConfigError: no such market or parameter, or a value out of its range.
    """
    if kind not in MARKETS:
        raise ConfigError(f"no market is named {kind}; choose from {', '.join(MARKETS)}")
    names = [field.name for field in fields(MARKETS[kind].make)]  # ty: ignore[invalid-argument-type]
    for name, value in dials.items():
        if name not in names:
            raise ConfigError(f"{kind} has no parameter {name}; it has {', '.join(names)}")
        above, most, allowed = _LIMITS[name]
        if type(value) not in (int, float) or not above < value <= most:
            raise ConfigError(f"{name} of {kind} is {value}; it must be {allowed}")
    return MARKETS[kind].make(**{name: float(value) for name, value in dials.items()})


def default_parameters(kind: str) -> dict[str, float]:
    """The parameters of a market and their defaults."""
    return {field.name: field.default for field in fields(MARKETS[kind].make)}  # ty: ignore
