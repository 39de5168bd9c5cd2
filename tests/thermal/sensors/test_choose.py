from pathlib import Path

import pytest

from mlxts.errors import ConfigError
from mlxts.thermal import sensors
from mlxts.thermal.sensors.base import Pressure, Probe, Sample, Sensor, Unavailable
from mlxts.thermal.sensors.scripted import Scripted


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Says which sensors this machine has; returns the names that were opened."""
    opened: list[str] = []

    def has(**available: Sample) -> list[str]:
        def opener(name: str):
            def open_it() -> Sensor:
                if name not in available:
                    raise Unavailable("not here")
                opened.append(name)
                return Scripted((available[name],), name)

            return open_it

        for name in sensors.OPENERS:
            monkeypatch.setitem(sensors.OPENERS, name, opener(name))
        return opened

    return has


def at(group, celsius: float) -> Sample:
    return Sample((Probe(group, group, celsius),))


def test_the_first_of_its_kind_rules_and_the_rest_are_never_opened(machine) -> None:
    opened = machine(hid=at("soc", 40), macmon=at("cpu", 41), linux=at("cpu", 42))
    choice = sensors.choose()
    assert choice.source == "hid"
    assert opened == ["hid"]
    verdicts = {found.name: found.verdict for found in choice.candidates}
    assert verdicts["smc"] == "not here"
    assert "not used" in verdicts["macmon"]


def test_a_card_and_the_pressure_join_the_processor(machine) -> None:
    machine(linux=at("cpu", 60), nvidia=at("gpu", 80), pressure=Sample(pressure=Pressure.MODERATE))
    choice = sensors.choose("auto")
    assert choice.source == "linux+nvidia"
    assert choice.sensor
    sample = choice.sensor.read()
    assert (sample.cpu, sample.gpu, sample.temperature) == (60, 80, 80)
    assert sample.pressure is Pressure.MODERATE


def test_pressure_alone_is_no_temperature(machine) -> None:
    machine(pressure=Sample(pressure=Pressure.NOMINAL))
    choice = sensors.choose()
    assert choice.source == "pressure"
    assert not choice.measures


def test_a_machine_without_sensors_says_so(machine) -> None:
    machine()
    choice = sensors.choose()
    assert (choice.sensor, choice.source, choice.measures) == (None, "none", False)
    assert all(not found.available for found in choice.candidates)


def test_the_one_asked_for_is_used_or_missing_never_replaced(machine) -> None:
    machine(smc=at("cpu", 50), hid=at("soc", 40))
    assert sensors.choose("hid").source == "hid"
    missing = sensors.choose("macmon")
    assert missing.sensor is None
    assert "macmon was asked for" in missing.why


def test_off_and_traces(tmp_path: Path) -> None:
    assert sensors.choose("off").source == "off"
    path = tmp_path / "hot.yaml"
    path.write_text("[61]")
    choice = sensors.choose(f"scripted:{path}")
    assert choice.sensor
    assert choice.sensor.read().temperature == 61.0


@pytest.mark.parametrize("spec", ["SMC", "scripted", "scripted:", "", "cpu:1"])
def test_an_unknown_sensor_names_those_there_are(spec: str) -> None:
    with pytest.raises(ConfigError, match="none of auto, off, smc"):
        sensors.choose(spec)


def test_this_machine_can_be_asked() -> None:
    # Whatever runs the tests: the real openers either work or say why not.
    for found in sensors.survey(skip=("macmon",)).values():
        if isinstance(found, Unavailable):
            assert str(found)
        else:
            found.read()
            found.close()
