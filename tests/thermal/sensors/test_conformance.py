"""What `base.Sensor` promises, asked of every sensor."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlxts.thermal.sensors.base import Sample, Sensor, is_plausible
from tests.thermal.sensors.machines import MACHINES, Machine


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    made = MACHINES[request.param](tmp_path)
    yield made
    made.sensor.close()


def test_it_is_a_sensor_with_a_name(machine: Machine) -> None:
    assert isinstance(machine.sensor, Sensor)
    assert machine.sensor.name.strip()


def test_a_working_one_reads_a_temperature_if_it_measures_any(machine: Machine) -> None:
    for _ in range(5):
        temperature = machine.sensor.read().temperature
        if machine.degrees:
            assert temperature is not None
            assert is_plausible(temperature)
        else:
            assert temperature is None


def test_probes_carry_a_name_a_group_and_a_number(machine: Machine) -> None:
    for probe in machine.sensor.read().probes:
        assert probe.name
        assert probe.group in ("cpu", "gpu", "soc", "spot")
        assert isinstance(probe.celsius, float)


def test_a_dump_is_json_and_says_something(machine: Machine) -> None:
    assert json.loads(json.dumps(machine.sensor.dump()))


def test_broken_hardware_is_no_temperature_and_no_error(machine: Machine) -> None:
    if machine.break_hardware is None:
        pytest.skip("it has no hardware")
    machine.break_hardware()
    sample = machine.sensor.read()
    assert sample.temperature is None
    assert sample.pressure is None
    json.dumps(machine.sensor.dump())


def test_a_closed_one_knows_nothing_and_can_be_closed_again(machine: Machine) -> None:
    machine.sensor.close()
    machine.sensor.close()
    assert machine.sensor.read() == Sample()
    json.dumps(machine.sensor.dump())
