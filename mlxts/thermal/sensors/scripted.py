"""A trace from a YAML file: for trying out what a hot day would do.

    - 61                                     # °C, one reading a poll
    - null                                   # the sensor is lost
    - {cpu: 88, gpu: 71, hot: 97}            # °C by group, and the hottest probe
    - {cpu: 90, pressure: heavy, times: 20}  # the same reading 20 times

The last reading lasts for ever. Values are taken as they are, implausible ones too: the same
rules as for hardware reject them.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mlxts import files
from mlxts.config.yamltext import YamlError, parse_yaml
from mlxts.errors import ConfigError
from mlxts.thermal.sensors.base import Group, Pressure, Probe, Sample


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    cpu: float | None = None
    gpu: float | None = None
    soc: float | None = None
    hot: float | None = None
    pressure: Literal["nominal", "moderate", "heavy", "trapping", "sleeping"] | None = None
    times: Annotated[int, Field(gt=0)] = 1

    def sample(self) -> Sample:
        groups: tuple[tuple[Group, float | None], ...] = (
            ("cpu", self.cpu),
            ("gpu", self.gpu),
            ("soc", self.soc),
        )
        probes = [Probe(name, name, value) for name, value in groups if value is not None]
        if self.hot is not None:
            # A group's mean is stated outright, so the hottest probe must not move it.
            probes.append(Probe("hot", "spot", self.hot))
        level = Pressure[self.pressure.upper()] if self.pressure else None
        return Sample(tuple(probes), level)


_TRACE: TypeAdapter[list[float | _Entry | None]] = TypeAdapter(
    Annotated[list[float | _Entry | None], Field(min_length=1)], config=ConfigDict(strict=True)
)


class Scripted:
    """Plays a trace, one sample a read."""

    def __init__(self, samples: tuple[Sample, ...], name: str = "scripted") -> None:
        self.name, self._samples = name, samples
        self._next, self._closed = 0, False

    def read(self) -> Sample:
        if self._closed:
            return Sample()
        sample = self._samples[min(self._next, len(self._samples) - 1)]
        self._next += 1
        return sample

    def dump(self) -> dict[str, Any]:
        """The next values of the trace, without playing it."""
        if self._closed:
            return {}
        coming = self._samples[min(self._next, len(self._samples) - 1)]
        return {"reading": self._next, **{probe.name: probe.celsius for probe in coming.probes}}

    def close(self) -> None:
        self._closed = True


def load(path: Path) -> tuple[Sample, ...]:
    """The samples of a trace file.

    Raises:
        ConfigError: no such file, not YAML, or not a list of readings.
    """
    try:
        entries = _TRACE.validate_python(parse_yaml(files.read_text(path)))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"no temperature trace at {path}: {files.reason(error)}") from error
    except YamlError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = f"entry {problem['loc'][0]}: " if problem["loc"] else ""
        raise ConfigError(
            f"{path}: {where}write a list of readings such as 61, null or {{cpu: 88, gpu: 71}}"
        ) from error
    samples: list[Sample] = []
    for entry in entries:
        if isinstance(entry, _Entry):
            samples += [entry.sample()] * entry.times
        else:
            samples.append(_Entry(cpu=entry).sample())
    return tuple(samples)


def open_sensor(path: Path) -> Scripted:
    """Raises ConfigError as `load` does."""
    return Scripted(load(path))
