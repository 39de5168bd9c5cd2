"""Choosing a run's sensor: once when it starts, and never mixed.

Two sources differ by 8–10 °C on the same die, so a run that changed from one to the other would
report overheating that is not there. Joined sensors measure different things: a CPU and a card,
degrees and the system's own pressure.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlxts.errors import ConfigError
from mlxts.thermal.sensors import hid, linux, macmon, nvidia, pressure, scripted, smc
from mlxts.thermal.sensors.base import Sample, Sensor, Unavailable, highest

OPENERS: dict[str, Callable[[], Sensor]] = {
    "smc": smc.open_sensor,
    "hid": hid.open_sensor,
    "macmon": macmon.open_sensor,
    "linux": linux.open_sensor,
    "nvidia": nvidia.open_sensor,
    "pressure": pressure.open_sensor,
}
# Sources of the same dies, best first; and those that measure another die or no degrees at all.
RANKING = ("smc", "hid", "macmon", "linux")
BESIDE = ("nvidia", "pressure")


@dataclass(frozen=True)
class Candidate:
    """A sensor that was tried."""

    name: str
    available: bool
    verdict: str  # why it rules, is passed over, or is not there


@dataclass(frozen=True)
class Choice:
    """The sensors that rule, and why. Several measure different things and are read as one."""

    sensors: tuple[Sensor, ...]
    source: str  # what run records call it; "none" or "off" without a sensor
    why: str
    candidates: tuple[Candidate, ...] = ()

    @property
    def sensor(self) -> Sensor | None:
        if len(self.sensors) > 1:
            return Joined(self.sensors)
        return self.sensors[0] if self.sensors else None

    @property
    def measures(self) -> bool:
        """Whether there is a temperature at all; pressure alone is none."""
        return any(sensor.name != "pressure" for sensor in self.sensors)


class Joined:
    """Several sensors as one: all their probes, and the highest pressure."""

    def __init__(self, sensors: tuple[Sensor, ...]) -> None:
        self._sensors = sensors
        self.name = _joint_name(sensors)

    def read(self) -> Sample:
        samples = [sensor.read() for sensor in self._sensors]
        return Sample(
            tuple(probe for sample in samples for probe in sample.probes),
            highest(sample.pressure for sample in samples),
        )

    def dump(self) -> dict[str, Any]:
        return {sensor.name: sensor.dump() for sensor in self._sensors}

    def close(self) -> None:
        for sensor in self._sensors:
            sensor.close()


def choose(spec: str = "auto") -> Choice:
    """Open the sensor of a configuration.

    Args:
        spec: `auto`, `off`, a name of OPENERS, or `scripted:FILE`.

    Raises:
        ConfigError: no such sensor, or a trace that cannot be read.
    """
    kind, _, argument = spec.partition(":")
    if kind == "scripted" and argument:
        path = Path(argument)
        return Choice((scripted.open_sensor(path),), "scripted", f"played from {path}")
    if spec == "off":
        return Choice((), "off", "switched off")
    if spec == "auto":
        return _best()
    if spec not in OPENERS:
        names = ", ".join(OPENERS)
        raise ConfigError(
            f"thermal.sensor: {spec} is none of auto, off, {names}, scripted:FILE; choose one"
        )
    sensor = _open(spec)
    if isinstance(sensor, Unavailable):
        missing = Candidate(spec, False, str(sensor))
        return Choice((), "none", f"{spec} was asked for, but {sensor}", (missing,))
    return Choice((sensor,), spec, "asked for", (Candidate(spec, True, "asked for"),))


def survey(skip: Collection[str] = ()) -> dict[str, Sensor | Unavailable]:
    """Open every sensor but those named. The caller closes them."""
    return {name: _open(name) for name in OPENERS if name not in skip}


def _best() -> Choice:
    opened: list[Sensor] = []
    candidates: list[Candidate] = []
    for name in (*RANKING, *BESIDE):
        if name in RANKING and opened:
            verdict = f"not used: {opened[0].name} is in use, and sources are never mixed"
            candidates.append(Candidate(name, False, verdict))
            continue
        sensor = _open(name)
        if isinstance(sensor, Unavailable):
            candidates.append(Candidate(name, False, str(sensor)))
            continue
        opened.append(sensor)
        verdict = "in use: best of the readable ones" if name in RANKING else "rules beside it"
        candidates.append(Candidate(name, True, verdict))
    choice = Choice(tuple(opened), _joint_name(opened), "", tuple(candidates))
    why = "best available" if choice.measures else "no temperature can be read here"
    return replace(choice, why=why)


def _open(name: str) -> Sensor | Unavailable:
    try:
        return OPENERS[name]()
    except Unavailable as reason:
        return reason


def _joint_name(sensors: Sequence[Sensor]) -> str:
    names = [sensor.name for sensor in sensors]
    measuring = [name for name in names if name != "pressure"]
    return "+".join(measuring or names) or "none"
