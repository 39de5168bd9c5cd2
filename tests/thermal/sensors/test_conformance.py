"""What `base.Sensor` promises, asked of every sensor."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlxts.testing.sensors import SensorSuite
from mlxts.thermal.sensors.base import Sensor
from tests.thermal.sensors.machines import MACHINES, Machine


class TestSensors(SensorSuite):
    @pytest.fixture(params=MACHINES)
    def machine(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
        made = MACHINES[request.param](tmp_path)
        yield made
        made.sensor.close()

    @pytest.fixture
    def sensor(self, machine: Machine) -> Sensor:
        return machine.sensor

    @pytest.fixture
    def measures_temperature(self, machine: Machine) -> bool:
        return machine.degrees

    @pytest.fixture
    def break_hardware(self, machine: Machine) -> Callable[[], None] | None:
        return machine.break_hardware
