"""AppleSMC: the controller behind a Mac's fans, read without root (macOS 14 and later, M1–M5).

The user client takes and returns one 80-byte struct. Keys are four characters, stored as a
big-endian integer; temperatures have type `flt ` (little-endian float). Keys differ between
chips, so they are found by prefix: `Tp` performance and `Te` efficiency cores, `Tg` the GPU.
`Ts` is left out: on laptops those are skin sensors, and they would cool the mean down.

The keys' own mean reads low: M3 and M4 list three keys a core (raw, corrected, peak), and those
of a cluster without power answer exactly 40.0, which are left out. The firmware publishes its mean
over the CPU die as `TCMb` and its maximum as `TCMz` (M1 to M5; macmon, stats and oshi use them
too). `TCMb` counts as a die of its own, so the larger of the two is used.
"""

import ctypes
import struct
from ctypes import byref, c_char, c_size_t, c_ubyte, c_uint16, c_uint32, sizeof
from dataclasses import dataclass
from typing import Any

from mlxts.thermal.sensors.apple import Frameworks, frameworks
from mlxts.thermal.sensors.base import Group, Probe, Sample, Unavailable

SELECTOR = 2  # kSMCHandleYPCEvent
READ, KEY_BY_INDEX, KEY_INFO = 5, 8, 9  # data8
PREFIXES: dict[str, Group] = {"Tp": "cpu", "Te": "cpu", "Tg": "gpu"}
FLOAT = int.from_bytes(b"flt ")
FIRMWARE_MEAN, FIRMWARE_MAXIMUM = "TCMb", "TCMz"
UNPOWERED = 40.0  # what a core's key answers while its cluster has no power


class _Version(ctypes.Structure):
    _fields_ = [
        ("major", c_ubyte),
        ("minor", c_ubyte),
        ("build", c_ubyte),
        ("reserved", c_ubyte),
        ("release", c_uint16),
    ]


class _Limits(ctypes.Structure):
    _fields_ = [
        ("version", c_uint16),
        ("length", c_uint16),
        ("cpu", c_uint32),
        ("gpu", c_uint32),
        ("memory", c_uint32),
    ]


class KeyInfo(ctypes.Structure):
    """How a key's value is stored."""

    _fields_ = [("size", c_uint32), ("type", c_uint32), ("attributes", c_ubyte)]


class KeyData(ctypes.Structure):
    """Request and answer of every call: 80 bytes, natural alignment."""

    _fields_ = [
        ("key", c_uint32),
        ("version", _Version),
        ("limits", _Limits),
        ("info", KeyInfo),
        ("result", c_ubyte),
        ("status", c_ubyte),
        ("data8", c_ubyte),
        ("data32", c_uint32),
        ("bytes", c_ubyte * 32),
    ]


@dataclass(frozen=True)
class _Key:
    code: int
    info: KeyInfo

    @property
    def name(self) -> str:
        return self.code.to_bytes(4).decode("latin-1")

    @property
    def of_a_die(self) -> bool:
        return self.name[:2] in PREFIXES or self.name in (FIRMWARE_MEAN, FIRMWARE_MAXIMUM)

    def probe(self, celsius: float) -> Probe | None:
        """The temperature of a key `of_a_die`; None: none, the cluster has no power."""
        if self.name == FIRMWARE_MEAN:
            return Probe(self.name, "cpu", celsius, die=1)
        if self.name == FIRMWARE_MAXIMUM:
            return Probe(self.name, "spot", celsius)
        return None if celsius == UNPOWERED else Probe(self.name, PREFIXES[self.name[:2]], celsius)


class Smc:
    """An open connection. The keys are listed once: the list takes thousands of calls."""

    name = "smc"

    def __init__(self, apple: Frameworks) -> None:
        self._iokit = apple.iokit
        self._connection: int | None = _connect(apple)
        self._keys = tuple(self._temperature_keys())
        self._read = tuple(key for key in self._keys if key.of_a_die)
        if self.read().temperature is None:
            self.close()
            raise Unavailable("AppleSMC gives no CPU or GPU temperature")

    def read(self) -> Sample:
        values = ((key, self._value(key)) for key in self._read)
        probes = (key.probe(value) for key, value in values if value is not None)
        return Sample(tuple(probe for probe in probes if probe))

    def dump(self) -> dict[str, Any]:
        return {key.name: self._value(key) for key in self._keys}

    def close(self) -> None:
        if self._connection is not None:
            self._iokit.IOServiceClose(self._connection)
            self._connection = None

    def _temperature_keys(self) -> list[_Key]:
        keys = []
        for index in range(self._count()):
            answer = self._call(KeyData(data8=KEY_BY_INDEX, data32=index))
            if answer is None or answer.key >> 24 != ord("T"):
                continue
            described = self._call(KeyData(data8=KEY_INFO, key=answer.key))
            if described and (described.info.type, described.info.size) == (FLOAT, 4):
                keys.append(_Key(answer.key, described.info))
        return keys

    def _count(self) -> int:
        code = int.from_bytes(b"#KEY")
        described = self._call(KeyData(data8=KEY_INFO, key=code))
        raw = self._bytes(_Key(code, described.info)) if described else None
        return int.from_bytes(raw) if raw else 0

    def _value(self, key: _Key) -> float | None:
        raw = self._bytes(key)
        return struct.unpack("<f", raw)[0] if raw else None

    def _bytes(self, key: _Key) -> bytes | None:
        answer = self._call(KeyData(data8=READ, key=key.code, info=key.info))
        return bytes(answer.bytes[: key.info.size]) if answer else None

    def _call(self, request: KeyData) -> KeyData | None:
        """The controller's answer, or None: refused, or no such key (result 132)."""
        if self._connection is None:
            return None
        answer, size = KeyData(), c_size_t(sizeof(KeyData))
        status = self._iokit.IOConnectCallStructMethod(
            self._connection, SELECTOR, byref(request), sizeof(KeyData), byref(answer), byref(size)
        )
        return answer if status == 0 and answer.result == 0 else None


def _connect(apple: Frameworks) -> int:
    """Open the entry named AppleSMCKeysEndpoint among the AppleSMC services."""
    iokit, iterator = apple.iokit, c_uint32()
    if iokit.IOServiceGetMatchingServices(0, iokit.IOServiceMatching(b"AppleSMC"), byref(iterator)):
        raise Unavailable("IOKit lists no AppleSMC")
    try:
        while entry := iokit.IOIteratorNext(iterator):
            try:
                name = (c_char * 128)()
                iokit.IORegistryEntryGetName(entry, name)
                if name.value != b"AppleSMCKeysEndpoint":
                    continue
                connection = c_uint32()
                task = apple.system.mach_task_self()
                if status := iokit.IOServiceOpen(entry, task, 0, byref(connection)):
                    raise Unavailable(f"AppleSMC refused the connection ({status:#x})")
                return connection.value
            finally:
                iokit.IOObjectRelease(entry)
    finally:
        iokit.IOObjectRelease(iterator)
    raise Unavailable("AppleSMC has no keys endpoint")


def open_sensor() -> Smc:
    """Raises Unavailable: not macOS, or a Mac (a virtual one, say) that gives no temperature."""
    return Smc(frameworks())
