"""IOHID: the temperature services of Apple silicon, where AppleSMC gives nothing.

M1 and M2 name their clusters (`pACC MTR Temp Sensor3`, `GPU MTR Temp Sensor1`); later chips, and
the larger early ones, only have `PMU tdie5`. Everything else is left out by name: `tcal` is a
constant 51.8 °C that would win every idle maximum, `tdev` reports values like -9201, and
batteries and flash are no dies.
"""

import ctypes
import re
from ctypes import c_char, c_int32, c_void_p
from typing import Any

from mlxts.thermal.sensors.apple import SINT32, UTF8, Frameworks, frameworks
from mlxts.thermal.sensors.base import Group, Probe, Sample, Unavailable

MATCHING = {b"PrimaryUsagePage": 0xFF00, b"PrimaryUsage": 5}  # Apple vendor page, temperature
TEMPERATURE = 15  # kIOHIDEventTypeTemperature
FIELD = TEMPERATURE << 16

NAMES: tuple[tuple[re.Pattern[str], Group], ...] = (
    (re.compile(r"[pe]ACC MTR Temp"), "cpu"),
    (re.compile(r"GPU MTR Temp"), "gpu"),
    (re.compile(r"SOC MTR Temp|PMGR SOC Die Temp|PMU\d* tdie\d"), "soc"),
)


def group_of(name: str) -> Group | None:
    """The die in a service's product name; None: not one that is monitored."""
    return next((group for pattern, group in NAMES if pattern.match(name)), None)


class Hid:
    """An event system client that sees temperature services only."""

    name = "hid"

    def __init__(self, apple: Frameworks) -> None:
        self._apple = apple
        self._product = apple.cf.CFStringCreateWithCString(None, b"Product", UTF8)
        self._client: int | None = apple.iokit.IOHIDEventSystemClientCreate(None)
        if not self._client:
            apple.cf.CFRelease(self._product)
            raise Unavailable("IOHID gives no event system client")
        matching = _dictionary(apple, MATCHING)
        apple.iokit.IOHIDEventSystemClientSetMatching(self._client, matching)
        apple.cf.CFRelease(matching)
        if self.read().temperature is None:
            self.close()
            raise Unavailable("IOHID gives no die temperature")

    def read(self) -> Sample:
        probes = []
        for name, celsius in self._values(selected=True):
            if group := group_of(name):
                probes.append(Probe(name, group, celsius))
        return Sample(tuple(probes))

    def dump(self) -> dict[str, Any]:
        temperatures: dict[str, list[float]] = {}
        for name, celsius in self._values(selected=False):
            temperatures.setdefault(name, []).append(celsius)
        return dict(temperatures)

    def close(self) -> None:
        if self._client:
            self._apple.cf.CFRelease(self._client)
            self._apple.cf.CFRelease(self._product)
            self._client = None

    def _values(self, *, selected: bool) -> list[tuple[str, float]]:
        """(product name, °C) of each service. An event costs 1 ms: unselected ones are spared."""
        if not self._client:
            return []
        iokit, cf = self._apple.iokit, self._apple.cf
        services = iokit.IOHIDEventSystemClientCopyServices(self._client)
        if not services:
            return []
        values = []
        for index in range(cf.CFArrayGetCount(services)):
            service = cf.CFArrayGetValueAtIndex(services, index)  # borrowed from the array
            name = self._name(service)
            if name is None or (selected and group_of(name) is None):
                continue
            if event := iokit.IOHIDServiceClientCopyEvent(service, TEMPERATURE, 0, 0):
                values.append((name, iokit.IOHIDEventGetFloatValue(event, FIELD)))
                cf.CFRelease(event)
        cf.CFRelease(services)
        return values

    def _name(self, service: int) -> str | None:
        text = self._apple.iokit.IOHIDServiceClientCopyProperty(service, self._product)
        if not text:
            return None
        buffer = (c_char * 128)()
        whole = self._apple.cf.CFStringGetCString(text, buffer, 128, UTF8)
        self._apple.cf.CFRelease(text)
        return buffer.value.decode() if whole else None


def _dictionary(apple: Frameworks, entries: dict[bytes, int]) -> int:
    """A CFDictionary of strings to 32-bit numbers, which it retains."""
    cf, n = apple.cf, len(entries)
    keys = [cf.CFStringCreateWithCString(None, key, UTF8) for key in entries]
    numbers = [
        cf.CFNumberCreate(None, SINT32, ctypes.byref(c_int32(value))) for value in entries.values()
    ]
    made = cf.CFDictionaryCreate(
        None,
        (c_void_p * n)(*keys),
        (c_void_p * n)(*numbers),
        n,
        apple.key_callbacks,
        apple.value_callbacks,
    )
    for item in (*keys, *numbers):
        cf.CFRelease(item)
    return made


def open_sensor() -> Hid:
    """Raises Unavailable: not macOS, or no service that gives a die's temperature."""
    return Hid(frameworks())
