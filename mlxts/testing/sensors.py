"""What every temperature sensor promises (`mlxts.thermal.sensors.base.Sensor`)."""

import json
from collections.abc import Callable

import pytest

from mlxts.thermal.sensors.base import Sample, Sensor, is_plausible


class SensorSuite:
    """Subclass it as `TestNAME` and override `sensor`; the other two where they are otherwise."""

    @pytest.fixture
    def sensor(self) -> Sensor:
        """A working one; close it where that matters."""
        raise NotImplementedError

    @pytest.fixture
    def measures_temperature(self) -> bool:
        """False: it reports the pressure level alone."""
        return True

    @pytest.fixture
    def break_hardware(self) -> Callable[[], object] | None:
        """What makes the hardware behind `sensor` fail; None: it cannot."""
        return None

    def test_it_is_a_sensor_with_a_name(self, sensor: Sensor) -> None:
        assert isinstance(sensor, Sensor)
        assert sensor.name.strip()

    def test_a_working_one_reads_a_temperature_if_it_measures_any(
        self, sensor: Sensor, measures_temperature: bool
    ) -> None:
        for _ in range(5):
            temperature = sensor.read().temperature
            if measures_temperature:
                assert temperature is not None
                assert is_plausible(temperature)
            else:
                assert temperature is None

    def test_probes_carry_a_name_a_group_and_a_number(self, sensor: Sensor) -> None:
        for probe in sensor.read().probes:
            assert probe.name
            assert probe.group in ("cpu", "gpu", "soc", "spot")
            assert isinstance(probe.celsius, float)

    def test_a_dump_is_json_and_says_something(self, sensor: Sensor) -> None:
        assert json.loads(json.dumps(sensor.dump()))

    def test_broken_hardware_is_no_temperature_and_no_error(
        self, sensor: Sensor, break_hardware: Callable[[], object] | None
    ) -> None:
        if break_hardware is None:
            pytest.skip("it has no hardware")
        break_hardware()
        sample = sensor.read()
        assert sample.temperature is None
        assert sample.pressure is None
        json.dumps(sensor.dump())

    def test_a_closed_one_knows_nothing_and_can_be_closed_again(self, sensor: Sensor) -> None:
        sensor.close()
        sensor.close()
        assert sensor.read() == Sample()
        json.dumps(sensor.dump())
