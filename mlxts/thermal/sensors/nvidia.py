"""NVIDIA cards through NVML (`pip install nvidia-ml-py`).

Only the cards that CUDA_VISIBLE_DEVICES leaves to this process count. Each is a die of its own,
so the hottest card rules, never the mean of a busy one and its idle neighbours.
"""

import importlib
import os
from typing import Any

from mlxts.thermal.sensors.base import Pressure, Probe, Sample, Unavailable


class Nvidia:
    """An initialised NVML."""

    name = "nvidia"

    def __init__(self, nvml: Any, visible: str | None = None) -> None:
        self._nvml, self._open = nvml, False
        try:
            nvml.nvmlInit()
            self._open = True
            self._cards = self._visible_cards(visible)
        except nvml.NVMLError as error:
            self.close()
            raise Unavailable(f"NVML: {error}") from error
        if not self.read().plausible:
            self.close()
            raise Unavailable("NVML reports no card with a temperature")

    def read(self) -> Sample:
        if not self._open:
            return Sample()
        probes = []
        for die, card in enumerate(self._cards):
            celsius = self._temperature(card)
            if celsius is not None:
                probes.append(Probe(f"gpu{die}", "gpu", celsius, die))
        return Sample(tuple(probes), self._pressure())

    def dump(self) -> dict[str, Any]:
        if not self._open:
            return {}
        return {
            f"gpu{die}": {
                "name": self._ask("nvmlDeviceGetName", card),
                "celsius": self._temperature(card),
                "clock_reasons": self._ask("nvmlDeviceGetCurrentClocksEventReasons", card),
            }
            for die, card in enumerate(self._cards)
        }

    def close(self) -> None:
        if self._open:
            self._open = False
            self._nvml.nvmlShutdown()

    def _visible_cards(self, visible: str | None) -> list[Any]:
        nvml = self._nvml
        names = [name.strip() for name in visible.split(",")] if visible else []
        if names and all(name.startswith("GPU-") for name in names):
            return [nvml.nvmlDeviceGetHandleByUUID(name) for name in names]
        count = nvml.nvmlDeviceGetCount()
        if names and all(name.isdigit() and int(name) < count for name in names):
            return [nvml.nvmlDeviceGetHandleByIndex(int(name)) for name in names]
        return [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]

    def _temperature(self, card: Any) -> float | None:
        # The versioned call is missing in older drivers, the plain one goes with CUDA 14.
        for name in ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature"):
            value = self._ask(name, card, self._nvml.NVML_TEMPERATURE_GPU)
            if value is not None:
                return float(value)
        return None

    def _pressure(self) -> Pressure | None:
        """Heavy while a card throttles its clocks, Nominal while none does."""
        nvml = self._nvml
        thermal = getattr(nvml, "nvmlClocksEventReasonSwThermalSlowdown", 0) | getattr(
            nvml, "nvmlClocksEventReasonHwThermalSlowdown", 0
        )
        reasons = [
            self._ask("nvmlDeviceGetCurrentClocksEventReasons", card) for card in self._cards
        ]
        reported = [reason for reason in reasons if reason is not None]
        if not reported or not thermal:
            return None
        return Pressure.HEAVY if any(reason & thermal for reason in reported) else Pressure.NOMINAL

    def _ask(self, function: str, *arguments: Any) -> Any:
        """The answer, or None where the card or the driver has none."""
        try:
            return getattr(self._nvml, function)(*arguments)
        except (self._nvml.NVMLError, AttributeError):
            return None


def open_sensor() -> Nvidia:
    """Raises Unavailable: no pynvml, no driver, or no card."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError as error:
        raise Unavailable("needs nvidia-ml-py") from error
    return Nvidia(nvml, os.environ.get("CUDA_VISIBLE_DEVICES"))
