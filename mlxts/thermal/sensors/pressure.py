"""Thermal pressure: how hard macOS is holding the chip back. No degrees, no root, 0.01 ms.

The level is the state of a notify(3) key. It complements a temperature; by itself it gives none.
"""

from ctypes import byref, c_int, c_uint64
from typing import Any

from mlxts.thermal.sensors.apple import Frameworks, frameworks
from mlxts.thermal.sensors.base import Pressure, Sample, Unavailable

KEY = b"com.apple.system.thermalpressurelevel"


class PressureLevel:
    """A registration with notifyd."""

    name = "pressure"

    def __init__(self, apple: Frameworks) -> None:
        self._system = apple.system
        token = c_int()
        if status := self._system.notify_register_check(KEY, byref(token)):
            raise Unavailable(f"notifyd refused the registration ({status})")
        self._token: int | None = token.value

    def read(self) -> Sample:
        level = self._level()
        is_level = level is not None and level in set(Pressure)
        return Sample(pressure=Pressure(level) if is_level else None)

    def dump(self) -> dict[str, Any]:
        return {KEY.decode(): self._level()}

    def close(self) -> None:
        if self._token is not None:
            self._system.notify_cancel(self._token)
            self._token = None

    def _level(self) -> int | None:
        state = c_uint64()
        if self._token is None or self._system.notify_get_state(self._token, byref(state)):
            return None
        return state.value


def open_sensor() -> PressureLevel:
    """Raises Unavailable: not macOS."""
    return PressureLevel(frameworks())
