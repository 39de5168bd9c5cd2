from pathlib import Path

import pytest

from mlxts.errors import ConfigError
from mlxts.thermal.sensors.base import Pressure
from mlxts.thermal.sensors.scripted import open_sensor


def trace(folder: Path, text: str) -> Path:
    path = folder / "trace.yaml"
    path.write_text(text)
    return path


def test_a_trace_is_played_and_its_last_reading_stays(tmp_path: Path) -> None:
    sensor = open_sensor(trace(tmp_path, "[61, null, {cpu: 70, gpu: 75, times: 2}, 1e2]"))
    played = [sensor.read().temperature for _ in range(7)]
    assert played == [61.0, None, 75.0, 75.0, 100.0, 100.0, 100.0]


def test_the_hottest_probe_is_stated_without_moving_the_mean(tmp_path: Path) -> None:
    sample = open_sensor(trace(tmp_path, "- {cpu: 71, gpu: 68, hot: 88, pressure: heavy}")).read()
    assert (sample.temperature, sample.hottest) == (71.0, 88.0)
    assert sample.pressure is Pressure.HEAVY


def test_implausible_values_meet_the_same_rules_as_hardware(tmp_path: Path) -> None:
    sensor = open_sensor(trace(tmp_path, "[0, -9201, 9.8, 150, .nan, .inf, 62]"))
    assert [sensor.read().temperature for _ in range(7)] == [None] * 6 + [62.0]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "61", "{a: 1}", "[warm]", "[{cpu: 1, colour: red}]", "[{times: 0}]", "[1]]"],
)
def test_what_is_no_trace_is_one_line_that_says_so(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        open_sensor(trace(tmp_path, text))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_trace_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no temperature trace at .*absent\.yaml"):
        open_sensor(tmp_path / "absent.yaml")
