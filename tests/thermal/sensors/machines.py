"""One working machine for each sensor, and how to break it: for the conformance suite."""

import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from mlxts.thermal.sensors import Joined
from mlxts.thermal.sensors.base import Probe, Sample, Sensor
from mlxts.thermal.sensors.hid import Hid
from mlxts.thermal.sensors.linux import Linux
from mlxts.thermal.sensors.macmon import Macmon
from mlxts.thermal.sensors.nvidia import Nvidia
from mlxts.thermal.sensors.pressure import PressureLevel
from mlxts.thermal.sensors.scripted import Scripted
from mlxts.thermal.sensors.smc import Smc
from tests.thermal.sensors.fake_apple import M4_IDLE, M4_SERVICES, FakeApple

MACMON_LINE = (
    '{"timestamp":"2025-02-24T20:38:15.427569+00:00","temp":{"cpu_temp_avg":43.73614,'
    '"gpu_temp_avg":36.95167},"memory":{"ram_total":25769803776,"ram_usage":20985479168,'
    '"swap_total":4294967296,"swap_usage":2602434560},"fans":[{"name":"fan0","rpm":999,'
    '"max_rpm":4900}],"cpu_power":0.20486385,"gpu_power":0.017451683,"gpu_freq_mhz":461,'
    '"gpu_active_ratio":0.09,"sys_power":5.876533}'
)


@dataclass
class Machine:
    sensor: Sensor
    degrees: bool  # whether it measures any
    break_hardware: Callable[[], None] | None = None  # None: it cannot break


class FakeNvml:
    """The functions of pynvml that are called, over a list of cards."""

    NVML_TEMPERATURE_GPU = 0
    nvmlClocksEventReasonSwThermalSlowdown = 0x20
    nvmlClocksEventReasonHwThermalSlowdown = 0x40

    class NVMLError(Exception):
        pass

    def __init__(self, cards: list[float | None]) -> None:
        self.cards, self.reasons = cards, [0] * len(cards)
        self.broken, self.sessions = False, 0

    def nvmlInit(self) -> None:
        self._work()
        self.sessions += 1

    def nvmlShutdown(self) -> None:
        self.sessions -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:
        return int(uuid.removeprefix("GPU-"))

    def nvmlDeviceGetName(self, card: int) -> str:
        return f"NVIDIA {card}"

    def nvmlDeviceGetTemperatureV(self, card: int, sensor: int) -> int:
        self._work()
        value = self.cards[card]
        if value is None:
            raise self.NVMLError("Not Supported")
        return int(value)

    def nvmlDeviceGetCurrentClocksEventReasons(self, card: int) -> int:
        self._work()
        return self.reasons[card]

    def _work(self) -> None:
        if self.broken:
            raise self.NVMLError("GPU is lost")


def macmon_program(folder: Path, body: str) -> str:
    """An executable named macmon that runs a few lines of Python."""
    program = folder / "macmon"
    program.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def entry(label: str, current: float | None) -> SimpleNamespace:
    return SimpleNamespace(label=label, current=current, high=None, critical=None)


def zone(folder: Path, number: int, kind: str, millidegrees: str) -> Path:
    made = folder / f"thermal_zone{number}"
    made.mkdir(parents=True)
    (made / "type").write_text(kind + "\n")
    (made / "temp").write_text(millidegrees + "\n")
    return made


def _smc(_folder: Path) -> Machine:
    fake = FakeApple(keys=dict(M4_IDLE))
    return Machine(Smc(fake.frameworks()), True, lambda: setattr(fake, "broken", True))


def _hid(_folder: Path) -> Machine:
    fake = FakeApple(services=M4_SERVICES)
    return Machine(Hid(fake.frameworks()), True, lambda: setattr(fake, "broken", True))


def _pressure(_folder: Path) -> Machine:
    fake = FakeApple(pressure=1)
    return Machine(PressureLevel(fake.frameworks()), False, lambda: setattr(fake, "broken", True))


def _macmon(folder: Path) -> Machine:
    flag = folder / "end"
    program = macmon_program(
        folder,
        "from pathlib import Path\n"
        f"while not Path({str(flag)!r}).exists():\n"
        f"    print({MACMON_LINE!r}, flush=True)\n"
        "    time.sleep(0.02)",
    )
    sensor = Macmon(program)

    def end() -> None:
        flag.touch()
        sensor._process.wait(timeout=10)
        sensor._reader.join(timeout=10)

    return Machine(sensor, True, end)


def _hwmon(folder: Path) -> Machine:
    chips = {"coretemp": [entry("Package id 0", 55.0), entry("Core 0", 53.0)]}
    return Machine(Linux(lambda: chips, folder / "none"), True, chips.clear)


def _zones(folder: Path) -> Machine:
    made = zone(folder, 0, "cpu-thermal", "48312")
    return Machine(Linux(dict, folder), True, (made / "temp").unlink)


def _nvidia(_folder: Path) -> Machine:
    nvml = FakeNvml([61, 40])
    return Machine(Nvidia(nvml), True, lambda: setattr(nvml, "broken", True))


def _scripted(_folder: Path) -> Machine:
    return Machine(Scripted((Sample((Probe("cpu", "cpu", 70.0),)),)), True)


def _joined(folder: Path) -> Machine:
    parts = (_hwmon(folder), _nvidia(folder), _pressure(folder))

    def end() -> None:
        for part in parts:
            assert part.break_hardware
            part.break_hardware()

    return Machine(Joined(tuple(part.sensor for part in parts)), True, end)


MACHINES: dict[str, Callable[[Path], Machine]] = {
    "smc": _smc,
    "hid": _hid,
    "macmon": _macmon,
    "pressure": _pressure,
    "hwmon": _hwmon,
    "zones": _zones,
    "nvidia": _nvidia,
    "scripted": _scripted,
    "joined": _joined,
}
