"""Linux: hwmon through psutil, else the kernel's thermal zones.

Chips are chosen by the driver's name. `acpitz` and the board's sensors are left out: they are
far from the die, and many report a constant.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from mlxts.thermal.sensors.base import Group, Probe, Sample, Unavailable

CHIPS: dict[str, Group] = {
    "coretemp": "cpu",
    "k10temp": "cpu",
    "zenpower": "cpu",
    "cpu_thermal": "cpu",
    "soc_thermal": "soc",
    "amdgpu": "gpu",
    "nouveau": "gpu",
    "xe": "gpu",
}
# The start of a thermal zone's type.
ZONES: tuple[tuple[str, Group], ...] = (
    ("x86_pkg_temp", "cpu"),
    ("TCPU", "cpu"),
    ("cpu", "cpu"),
    ("gpu", "gpu"),
    ("soc", "soc"),
)
ZONE_FOLDER = Path("/sys/class/thermal")

Chips = Mapping[str, Sequence[Any]]  # driver -> entries with .label and .current


def _hwmon() -> Chips:
    read = getattr(psutil, "sensors_temperatures", None)  # psutil has it on Linux and FreeBSD
    return read() if read else {}


class Linux:
    """Either of the two, chosen when it is opened and kept."""

    name = "linux"

    def __init__(self, hwmon: Callable[[], Chips] = _hwmon, zones: Path = ZONE_FOLDER) -> None:
        self._hwmon, self._zones, self._closed = hwmon, zones, False
        self._read = next(
            (read for read in (self._chip_probes, self._zone_probes) if Sample(read()).plausible),
            None,
        )
        if self._read is None:
            raise Unavailable("the kernel offers none")

    def read(self) -> Sample:
        if self._closed or self._read is None:
            return Sample()
        return Sample(self._read())

    def dump(self) -> dict[str, Any]:
        if self._closed:
            return {}
        chips = {
            driver: [[entry.label, entry.current] for entry in entries]
            for driver, entries in self._hwmon().items()
        }
        return {"hwmon": chips, "zones": [list(zone) for zone in self._zone_values()]}

    def close(self) -> None:
        self._closed = True

    def _chip_probes(self) -> tuple[Probe, ...]:
        probes = []
        for driver, entries in self._hwmon().items():
            group = CHIPS.get(driver)
            if group is None:
                continue
            labels = {entry.label for entry in entries}
            for entry in entries:
                # Where Tdie exists, Tctl is the same value plus an offset for the fan curve.
                if entry.current is None or (entry.label == "Tctl" and "Tdie" in labels):
                    continue
                probes.append(Probe(f"{driver} {entry.label}".strip(), group, entry.current))
        return tuple(probes)

    def _zone_probes(self) -> tuple[Probe, ...]:
        probes = []
        for kind, celsius in self._zone_values():
            group = next((group for start, group in ZONES if kind.startswith(start)), None)
            if group:
                probes.append(Probe(kind, group, celsius))
        return tuple(probes)

    def _zone_values(self) -> list[tuple[str, float]]:
        """(type, °C) of every zone; the kernel states millidegrees."""
        values = []
        for zone in sorted(self._zones.glob("thermal_zone*")):
            try:
                kind = (zone / "type").read_text().strip()
                values.append((kind, int((zone / "temp").read_text()) / 1000))
            except (OSError, ValueError):  # a zone that sleeps answers with an I/O error
                continue
        return values


def open_sensor() -> Linux:
    """Raises Unavailable: nothing plausible, as in most containers and virtual machines."""
    return Linux()
