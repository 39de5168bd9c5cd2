"""What every sensor promises, and how one temperature is made of many probes.

A reading is `float | None`: a probe without a plausible reading counts as absent, and nothing
ever stands in for it. Degrees Celsius throughout.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from statistics import fmean
from typing import Any, Literal, Protocol, runtime_checkable

Group = Literal["cpu", "gpu", "soc", "spot"]  # a spot counts for the hottest probe only

# Power-gated clusters answer with a constant below 10 °C, absent ones with 0 or less; no die that
# still computes reaches 150 °C.
PLAUSIBLE = (10.0, 150.0)


class Pressure(IntEnum):
    """The system's own verdict, in the levels of macOS's OSThermalNotification.h."""

    NOMINAL = 0
    MODERATE = 1
    HEAVY = 2
    TRAPPING = 3
    SLEEPING = 4


class Unavailable(Exception):
    """A sensor that this machine does not have; the message gives the reason, in a few words."""


@dataclass(frozen=True)
class Probe:
    """One raw value as the hardware gave it, plausible or not."""

    name: str
    group: Group
    celsius: float
    die: int = 0  # probes are averaged within a die, dies are compared


@dataclass(frozen=True)
class Sample:
    """All probes of one sample. Equal names are kept: chips repeat them."""

    probes: tuple[Probe, ...] = ()
    pressure: Pressure | None = None

    @property
    def temperature(self) -> float | None:
        """max(CPU mean, GPU mean), the figure that rules; the die's mean where no probe is named.

        Not the hottest probe: under load a few hot spots sit near 95 °C on a healthy chip.
        """
        named = [mean for mean in (self.cpu, self.gpu) if mean is not None]
        return max(named) if named else self.soc

    @property
    def cpu(self) -> float | None:
        return self._mean("cpu")

    @property
    def gpu(self) -> float | None:
        return self._mean("gpu")

    @property
    def soc(self) -> float | None:
        return self._mean("soc")

    @property
    def hottest(self) -> float | None:
        return max((probe.celsius for probe in self.plausible), default=None)

    @property
    def plausible(self) -> tuple[Probe, ...]:
        return tuple(probe for probe in self.probes if is_plausible(probe.celsius))

    def _mean(self, group: Group) -> float | None:
        dies: dict[int, list[float]] = {}
        for probe in self.plausible:
            if probe.group == group:
                dies.setdefault(probe.die, []).append(probe.celsius)
        return max((fmean(values) for values in dies.values()), default=None)


@runtime_checkable
class Sensor(Protocol):
    """A source of samples. Used by one thread at a time.

    Opening one (each module's `open_sensor`) raises Unavailable, also where it reports nothing
    plausible; after that nothing raises: a failed read is a sample without probes, and so is any
    read after `close`.
    """

    @property
    def name(self) -> str:
        """What run records and the console call it, e.g. `smc`."""
        ...

    def read(self) -> Sample:
        """Every selected probe, now."""
        ...

    def dump(self) -> dict[str, Any]:
        """Everything the source reports, before any selection, as JSON types: for bug reports."""
        ...

    def close(self) -> None:
        """Release the hardware. May be called twice."""
        ...


def is_plausible(celsius: float) -> bool:
    """Whether a die can have this temperature. False for NaN."""
    return math.isfinite(celsius) and PLAUSIBLE[0] <= celsius < PLAUSIBLE[1]


def highest(levels: Iterable[Pressure | None]) -> Pressure | None:
    """The highest of those that are known."""
    return max((level for level in levels if level is not None), default=None)
