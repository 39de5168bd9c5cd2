"""Every sensor of this machine, next to the one that rules."""

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Self

from mlxts.thermal import policy, sensors
from mlxts.thermal.policy import Rules, ThermalState
from mlxts.thermal.sensors.base import Sample, Sensor, Unavailable, highest

TREND = 3600  # readings that are remembered


@dataclass(frozen=True)
class Row:
    """One sensor, now. Degrees Celsius; None where nothing is known."""

    name: str
    available: bool
    rules: bool
    verdict: str
    cpu: float | None = None
    gpu: float | None = None
    soc: float | None = None
    hottest: float | None = None
    probes: int = 0
    rejected: int = 0  # implausible values
    pressure: str | None = None


class SensorListing:
    """Opens all sensors for the length of a `with` block."""

    def __init__(self, spec: str = "auto") -> None:
        """Raises ConfigError: an unknown sensor, or a trace that cannot be read."""
        self._choice = sensors.choose(spec)
        ruling = {sensor.name: sensor for sensor in self._choice.sensors}
        self._verdicts = {sensor.name: sensor.verdict for sensor in self._choice.candidates}
        self._sensors: dict[str, Sensor | Unavailable] = {**ruling, **sensors.survey(skip=ruling)}
        self._ruling = frozenset(ruling)
        self._samples: dict[str, Sample] = {}
        self._state = ThermalState()
        # Of the ruling sensor: seconds, of a clock that only runs, and °C.
        self.trend: deque[tuple[float, float]] = deque(maxlen=TREND)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sensor in self._sensors.values():
            if not isinstance(sensor, Unavailable):
                sensor.close()

    def read(self) -> None:
        """Take one sample of every sensor, and judge the ruling one's as a run would."""
        self._samples = {
            name: sensor.read()
            for name, sensor in self._sensors.items()
            if not isinstance(sensor, Unavailable)
        }
        ruling = [self._samples[name] for name in self._ruling]
        joint = Sample(
            tuple(probe for sample in ruling for probe in sample.probes),
            highest(sample.pressure for sample in ruling),
        )
        self._state = policy.advance(self._state, joint.temperature, joint.pressure, Rules())
        if self._state.temperature is not None:
            self.trend.append((time.monotonic(), self._state.temperature))

    @property
    def band(self) -> policy.Band:
        """What the ruling sensor's temperature means."""
        return self._state.band

    @property
    def per_minute(self) -> float | None:
        """By how many degrees the temperature changed within the last minute; None: too early."""
        recent = [(at, value) for at, value in self.trend if at >= self.trend[-1][0] - 60.0]
        if len(recent) < 2:
            return None
        return recent[-1][1] - recent[0][1]

    def rows(self) -> list[Row]:
        """The sensors in the order in which they are preferred, the ruling ones first."""
        rows = [self._row(name, sensor) for name, sensor in self._sensors.items()]
        return sorted(rows, key=lambda row: (not row.rules, not row.available))

    def verdict(self) -> str:
        """The sensor in use, its reading and why it was chosen, in one line."""
        temperature = self._state.temperature
        heat = "unavailable" if temperature is None else f"{temperature:.1f} °C, {self._state.band}"
        return f"{self._choice.source}: {heat} ({self._choice.why})"

    def report(self) -> dict[str, Any]:
        """Everything above as JSON types."""
        pressure = self._state.pressure
        return {
            "source": self._choice.source,
            "why": self._choice.why,
            "temperature": self._state.temperature,
            "band": str(self._state.band),
            "pressure": None if pressure is None else pressure.name.capitalize(),
            "sensors": [asdict(row) for row in self.rows()],
        }

    def raw(self) -> dict[str, Any]:
        """One sample of everything that the sensors report, for a bug report."""
        dumps = {
            name: str(sensor) if isinstance(sensor, Unavailable) else sensor.dump()
            for name, sensor in self._sensors.items()
        }
        return {"time": time.time(), "source": self._choice.source, "raw": dumps}

    def _row(self, name: str, sensor: Sensor | Unavailable) -> Row:
        if isinstance(sensor, Unavailable):
            return Row(name, False, False, str(sensor))
        sample = self._samples.get(name, Sample())
        rules = name in self._ruling
        otherwise = self._choice.why if rules else "reads; passed over"
        return Row(
            name=name,
            available=True,
            rules=rules,
            verdict=self._verdicts.get(name, otherwise),
            cpu=sample.cpu,
            gpu=sample.gpu,
            soc=sample.soc,
            hottest=sample.hottest,
            probes=len(sample.plausible),
            rejected=len(sample.probes) - len(sample.plausible),
            pressure=None if sample.pressure is None else sample.pressure.name.capitalize(),
        )
