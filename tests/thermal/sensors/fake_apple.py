"""IOKit, CoreFoundation and notifyd as C callbacks, with the samples recorded on real Macs.

Every function is a real C function pointer, so that the code under test crosses the foreign
function interface: its argument types, struct layout and reference counts are exercised. The
C types here are written from Apple's headers, not taken from the code under test.
"""

import ctypes
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from ctypes import (
    c_char_p,
    c_double,
    c_int,
    c_int32,
    c_int64,
    c_long,
    c_size_t,
    c_ubyte,
    c_uint32,
    c_uint64,
    c_void_p,
)
from types import SimpleNamespace
from typing import Any

from mlxts.thermal.sensors.apple import CORE_FOUNDATION, IOKIT, SYSTEM, Frameworks, declare

POINTER = c_void_p
FLOAT = b"flt "
M4_IDLE = {  # smctemp, a MacBook with M4 at rest: the controller's own bytes
    "Tp01": bytes.fromhex("883B1542"),
    "Tp05": bytes.fromhex("81901442"),
    "Tp09": bytes.fromhex("ECC91542"),
}
M4_SERVICES = [  # IOHID services of an M4, in the order captured
    ("PMU2 tdie5", 31.97),
    ("PMU tdie10", 32.61),
    ("PMU2 tcal", 51.82),
    ("PMU tdev1", -22.15),
    ("PMU tdie8", 35.09),
    ("PMU tcal", 51.82),
    ("NAND CH0 temp", 32.00),
    ("gas gauge battery", 30.90),
    ("PMU tdev4", 33.32),
]


def celsius(value: float) -> bytes:
    return struct.pack("<f", value)


class FakeApple:
    """A Mac in a few tables. Change them between two reads to change the machine."""

    def __init__(
        self,
        keys: dict[str, bytes | tuple[bytes, bytes]] | None = None,
        services: Sequence[tuple[str | None, float | None]] | None = None,
        endpoint: bytes = b"AppleSMCKeysEndpoint",
        pressure: int = 0,
    ) -> None:
        self.keys = {  # name -> (type, bytes)
            name: value if isinstance(value, tuple) else (FLOAT, value)
            for name, value in (keys or {}).items()
        }
        self.services = services or []
        self.endpoint, self.pressure = endpoint, pressure
        self.broken = False  # from now on every call fails
        self.connections: set[int] = set()
        self.tokens: set[int] = set()
        self.ports: Counter[int] = Counter()  # IOKit objects that are held
        self.held: Counter[int] = Counter()  # retain counts of CF objects
        self.objects: dict[int, Any] = {}
        self.calls: Counter[str] = Counter()
        self._next = 0x7F00_1234_5000  # beyond 32 bits, so that a truncated pointer shows
        self._keep: list[Any] = []

    def frameworks(self) -> Frameworks:
        return Frameworks(
            iokit=declare(self._iokit(), IOKIT),
            cf=declare(self._core_foundation(), CORE_FOUNDATION),
            system=declare(self._system(), SYSTEM),
            key_callbacks=0x7F00_0000_0010,
            value_callbacks=0x7F00_0000_0020,
        )

    def _library(
        self, functions: dict[str, tuple[Callable[..., Any], Any, tuple[Any, ...]]]
    ) -> Any:
        library = SimpleNamespace()
        for name, (function, result, arguments) in functions.items():

            def counted(*given: Any, name: str = name, function: Any = function) -> Any:
                self.calls[name] += 1
                return function(*given)

            callback = ctypes.CFUNCTYPE(result, *arguments)(counted)
            # Called through a bare pointer, as a library's symbol would be.
            pointer = ctypes.cast(callback, c_void_p).value
            assert pointer is not None
            self._keep.append(callback)
            setattr(library, name, ctypes.CFUNCTYPE(None)(pointer))
        return library

    def _make(self, value: Any) -> int:
        self._next += 16
        self.objects[self._next] = value
        self.held[self._next] += 1
        return self._next

    def _release(self, handle: int) -> None:
        assert self.held[handle] > 0, "released more often than it was retained"
        self.held[handle] -= 1

    @property
    def leaks(self) -> dict[str, Any]:
        """What is still held; all empty when everything was given back."""
        return {
            "cf": {h: self.objects[h] for h, count in self.held.items() if count},
            "ports": {port for port, count in self.ports.items() if count},
            "connections": self.connections,
            "tokens": self.tokens,
        }

    # --- IOKit -------------------------------------------------------------------------------

    def _iokit(self) -> Any:
        entries = iter(())

        def matching(name: bytes) -> int:
            return self._make({"IOProviderClass": name})

        def matching_services(_port: int, dictionary: int, iterator: int) -> int:
            nonlocal entries
            wanted = self.objects[dictionary]["IOProviderClass"] == b"AppleSMC"
            self._release(dictionary)  # the call consumes it
            if self.broken or not wanted:
                return -536870208  # kIOReturnNotFound
            entries = iter((0x1001, 0x1002))
            c_uint32.from_address(iterator).value = 0x1000
            self.ports[0x1000] += 1
            return 0

        def iterate(_iterator: int) -> int:
            entry = next(entries, 0)
            if entry:
                self.ports[entry] += 1
            return entry

        def entry_name(entry: int, buffer: int) -> int:
            name = {0x1001: b"AppleSMCSensorDispatcher", 0x1002: self.endpoint}[entry] + b"\0"
            ctypes.memmove(buffer, name, len(name))
            return 0

        def release(port: int) -> int:
            assert self.ports[port] > 0
            self.ports[port] -= 1
            return 0

        def service_open(entry: int, task: int, kind: int, connection: int) -> int:
            assert (entry, task, kind) == (0x1002, 0x203, 0)
            self.connections.add(0x5005)
            c_uint32.from_address(connection).value = 0x5005
            return 0

        def service_close(connection: int) -> int:
            self.connections.remove(connection)
            return 0

        def create_client(_allocator: int) -> int:
            return self._make("client")

        def set_matching(_client: int, dictionary: int) -> int:
            assert self.objects[dictionary] == {"PrimaryUsagePage": 0xFF00, "PrimaryUsage": 5}
            return 0

        def copy_services(_client: int) -> int:
            return 0 if self.broken else self._make([self._service(s) for s in self.services])

        def copy_property(service: int, key: int) -> int:
            assert self.objects[key] == "Product"
            name = self.objects[service][0]
            return 0 if name is None else self._make(name)

        def copy_event(service: int, kind: int, _options: int, _time: int) -> int:
            assert kind == 15
            value = self.objects[service][1]
            return 0 if value is None else self._make(("event", value))

        def float_value(event: int, field: int) -> float:
            assert field == 0xF0000
            return self.objects[event][1]

        return self._library(
            {
                "IOServiceMatching": (matching, POINTER, (c_char_p,)),
                "IOServiceGetMatchingServices": (
                    matching_services,
                    c_int,
                    (c_uint32, POINTER, POINTER),
                ),
                "IOIteratorNext": (iterate, c_uint32, (c_uint32,)),
                "IORegistryEntryGetName": (entry_name, c_int, (c_uint32, POINTER)),
                "IOObjectRelease": (release, c_int, (c_uint32,)),
                "IOServiceOpen": (service_open, c_int, (c_uint32, c_uint32, c_uint32, POINTER)),
                "IOServiceClose": (service_close, c_int, (c_uint32,)),
                "IOConnectCallStructMethod": (
                    self._call_smc,
                    c_int,
                    (c_uint32, c_uint32, POINTER, c_size_t, POINTER, POINTER),
                ),
                "IOHIDEventSystemClientCreate": (create_client, POINTER, (POINTER,)),
                "IOHIDEventSystemClientSetMatching": (set_matching, c_int, (POINTER, POINTER)),
                "IOHIDEventSystemClientCopyServices": (copy_services, POINTER, (POINTER,)),
                "IOHIDServiceClientCopyProperty": (copy_property, POINTER, (POINTER, POINTER)),
                "IOHIDServiceClientCopyEvent": (
                    copy_event,
                    POINTER,
                    (POINTER, c_int64, c_int32, c_int64),
                ),
                "IOHIDEventGetFloatValue": (float_value, c_double, (POINTER, c_int32)),
            }
        )

    def _service(self, service: tuple[str | None, float | None]) -> int:
        handle = self._make(service)
        self.held[handle] -= 1  # owned by the array, borrowed by everyone else
        return handle

    def _call_smc(
        self, connection: int, selector: int, given: int, size: int, answer: int, answer_size: int
    ) -> int:
        """The user client: 80 bytes in, 80 bytes out, read at the offsets of the C struct."""
        assert (connection, selector, size) == (0x5005, 2, 80)
        assert c_size_t.from_address(answer_size).value == 80
        if self.broken:
            return -536870185  # kIOReturnNotResponding
        raw = ctypes.string_at(given, 80)
        key, data8, data32 = raw[0:4][::-1], raw[42], struct.unpack_from("<I", raw, 44)[0]
        out = bytearray(80)
        if data8 == 8:
            names = [*self.keys, "#KEY"]
            key = names[data32].encode() if data32 < len(names) else b""
        kind, value = self._stored(key)
        if value is None:
            out[40] = 132
        elif data8 == 8:
            out[0:4] = key[::-1]
        elif data8 == 9:
            struct.pack_into("<I", out, 28, len(value))
            out[32:36] = kind[::-1]
        elif data8 == 5:
            assert struct.unpack_from("<I", raw, 28)[0] == len(value), "read without the key's size"
            out[48 : 48 + len(value)] = value
        ctypes.memmove(answer, bytes(out), 80)
        return 0

    def _stored(self, key: bytes) -> tuple[bytes, bytes | None]:
        if key == b"#KEY":
            return b"ui32", (len(self.keys) + 1).to_bytes(4, "big")
        return self.keys.get(key.decode("latin-1"), (b"", None))

    # --- CoreFoundation ----------------------------------------------------------------------

    def _core_foundation(self) -> Any:
        def make_string(_allocator: int, text: bytes, encoding: int) -> int:
            assert encoding == 0x08000100
            return self._make(text.decode())

        def get_string(string: int, buffer: int, size: int, _encoding: int) -> int:
            raw = self.objects[string].encode() + b"\0"
            if len(raw) > size:
                return 0
            ctypes.memmove(buffer, raw, len(raw))
            return 1

        def make_number(_allocator: int, kind: int, value: int) -> int:
            assert kind == 3
            return self._make(c_int32.from_address(value).value)

        def make_dictionary(
            _allocator: int, keys: int, values: int, count: int, on_keys: int, on_values: int
        ) -> int:
            assert (on_keys, on_values) == (0x7F00_0000_0010, 0x7F00_0000_0020)
            addresses = [(c_uint64 * count).from_address(array) for array in (keys, values)]
            pairs = zip(*addresses, strict=True)
            return self._make({self.objects[key]: self.objects[value] for key, value in pairs})

        return self._library(
            {
                "CFStringCreateWithCString": (make_string, POINTER, (POINTER, c_char_p, c_uint32)),
                "CFStringGetCString": (get_string, c_ubyte, (POINTER, POINTER, c_long, c_uint32)),
                "CFNumberCreate": (make_number, POINTER, (POINTER, c_long, POINTER)),
                "CFDictionaryCreate": (
                    make_dictionary,
                    POINTER,
                    (POINTER, POINTER, POINTER, c_long, POINTER, POINTER),
                ),
                "CFArrayGetCount": (lambda array: len(self.objects[array]), c_long, (POINTER,)),
                "CFArrayGetValueAtIndex": (
                    lambda array, index: self.objects[array][index],
                    POINTER,
                    (POINTER, c_long),
                ),
                "CFRelease": (self._release, None, (POINTER,)),
            }
        )

    # --- libSystem ---------------------------------------------------------------------------

    def _system(self) -> Any:
        def register(name: bytes, token: int) -> int:
            assert name == b"com.apple.system.thermalpressurelevel"
            c_int.from_address(token).value = 7
            self.tokens.add(7)
            return 0

        def state(token: int, value: int) -> int:
            if self.broken or token not in self.tokens:
                return 1
            c_uint64.from_address(value).value = self.pressure
            return 0

        def cancel(token: int) -> int:
            self.tokens.remove(token)
            return 0

        return self._library(
            {
                "mach_task_self": (lambda: 0x203, c_uint32, ()),
                "notify_register_check": (register, c_uint32, (c_char_p, POINTER)),
                "notify_get_state": (state, c_uint32, (c_int, POINTER)),
                "notify_cancel": (cancel, c_uint32, (c_int,)),
            }
        )
