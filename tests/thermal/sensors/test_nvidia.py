import sys

import pytest

from mlxts.thermal.sensors import nvidia
from mlxts.thermal.sensors.base import Pressure, Unavailable
from mlxts.thermal.sensors.nvidia import Nvidia
from tests.thermal.sensors.machines import FakeNvml


def test_the_hottest_card_rules() -> None:
    sample = Nvidia(FakeNvml([88, 35, 36])).read()
    assert sample.temperature == 88
    assert len(sample.probes) == 3


@pytest.mark.parametrize(
    ("visible", "temperature"),
    [(None, 88), ("", 88), ("1", 35), ("1,2", 36), ("GPU-2", 36), ("7", 88), ("MIG-x", 88)],
)
def test_only_visible_cards_count(visible: str | None, temperature: int) -> None:
    assert Nvidia(FakeNvml([88, 35, 36]), visible).read().temperature == temperature


@pytest.mark.parametrize(("reason", "level"), [(0x1, "NOMINAL"), (0x20, "HEAVY"), (0x41, "HEAVY")])
def test_clocks_held_back_by_heat_are_heavy_pressure(reason: int, level: str) -> None:
    nvml = FakeNvml([60, 60])
    sensor = Nvidia(nvml)
    nvml.reasons[1] = reason
    assert sensor.read().pressure is Pressure[level]


class OlderPackage(FakeNvml):
    nvmlDeviceGetTemperatureV = property()  # reading it raises AttributeError

    def nvmlDeviceGetTemperature(self, card: int, sensor: int) -> int:
        return 71


class OlderDriver(FakeNvml):
    def nvmlDeviceGetTemperatureV(self, card: int, sensor: int) -> int:
        raise self.NVMLError("Function Not Found")

    def nvmlDeviceGetTemperature(self, card: int, sensor: int) -> int:
        return 71


@pytest.mark.parametrize("older", [OlderPackage, OlderDriver])
def test_the_older_call_serves_where_the_newer_is_missing(older: type[FakeNvml]) -> None:
    assert Nvidia(older([None])).read().temperature == 71


@pytest.mark.parametrize("cards", [[], [None], [0]])
def test_no_card_that_reads_is_unavailable_and_the_session_ends(cards) -> None:
    nvml = FakeNvml(cards)
    with pytest.raises(Unavailable):
        Nvidia(nvml)
    assert nvml.sessions == 0


def test_a_failing_driver_is_unavailable() -> None:
    nvml = FakeNvml([60])
    nvml.broken = True
    with pytest.raises(Unavailable, match="GPU is lost"):
        Nvidia(nvml)


def test_the_session_ends_once() -> None:
    nvml = FakeNvml([60])
    sensor = Nvidia(nvml)
    assert nvml.sessions == 1
    sensor.close()
    sensor.close()
    assert nvml.sessions == 0


def test_without_the_package_it_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(Unavailable, match="nvidia-ml-py"):
        nvidia.open_sensor()


def test_the_package_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml([60, 70]))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert nvidia.open_sensor().read().temperature == 60
