import pytest

from mlxts.thermal.sensors.base import Pressure
from mlxts.thermal.sensors.pressure import PressureLevel
from tests.thermal.sensors.fake_apple import FakeApple


@pytest.mark.parametrize("level", list(Pressure))
def test_each_level_is_read(level: Pressure) -> None:
    sensor = PressureLevel(FakeApple(pressure=level).frameworks())
    sample = sensor.read()
    assert sample.pressure is level
    assert sample.temperature is None


def test_an_unknown_level_is_no_level() -> None:
    sensor = PressureLevel(FakeApple(pressure=99).frameworks())
    assert sensor.read().pressure is None
    assert sensor.dump() == {"com.apple.system.thermalpressurelevel": 99}


def test_the_registration_is_cancelled() -> None:
    fake = FakeApple()
    PressureLevel(fake.frameworks()).close()
    assert not any(fake.leaks.values())
