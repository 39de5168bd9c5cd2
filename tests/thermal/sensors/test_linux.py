from pathlib import Path

import pytest

from mlxts.thermal.sensors.base import Unavailable
from mlxts.thermal.sensors.linux import Linux
from tests.thermal.sensors.machines import entry, zone


def test_processor_and_graphics_chips_are_told_apart(tmp_path: Path) -> None:
    chips = {
        "coretemp": [entry("Package id 0", 70.0), entry("Core 0", 60.0)],
        "amdgpu": [entry("edge", 80.0), entry("junction", 90.0)],
        "nvme": [entry("Composite", 99.0)],
        "acpitz": [entry("", 27.8)],
    }
    sample = Linux(lambda: chips, tmp_path).read()
    assert (sample.cpu, sample.gpu, sample.temperature, sample.hottest) == (65, 85, 85, 90)


def test_the_offset_ryzen_value_gives_way_to_the_true_one(tmp_path: Path) -> None:
    both = {"k10temp": [entry("Tctl", 87.0), entry("Tdie", 60.0), entry("Tccd1", 62.0)]}
    alone = {"k10temp": [entry("Tctl", 64.0)]}
    assert Linux(lambda: both, tmp_path).read().cpu == 61.0
    assert Linux(lambda: alone, tmp_path).read().cpu == 64.0


def test_zones_are_read_in_millidegrees_where_hwmon_knows_no_die(tmp_path: Path) -> None:
    zone(tmp_path, 0, "acpitz", "27800")
    zone(tmp_path, 1, "x86_pkg_temp", "61500")
    zone(tmp_path, 2, "gpu-thermal", "58250")
    sensor = Linux(lambda: {"nvme": [entry("Composite", 40.0)]}, tmp_path)
    sample = sensor.read()
    assert (sample.cpu, sample.gpu) == (61.5, 58.25)
    assert ["acpitz", 27.8] in sensor.dump()["zones"]


def test_the_source_is_kept_even_when_it_falls_silent(tmp_path: Path) -> None:
    zone(tmp_path, 0, "x86_pkg_temp", "61500")
    chips = {"coretemp": [entry("Core 0", 53.0)]}
    sensor = Linux(lambda: chips, tmp_path)
    chips.clear()
    assert sensor.read().temperature is None


def test_a_zone_that_sleeps_or_lies_is_passed_over(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu0-thermal", "garbage")
    zone(tmp_path, 1, "cpu1-thermal", "-274000")
    zone(tmp_path, 2, "cpu2-thermal", "51000")
    assert Linux(dict, tmp_path).read().temperature == 51.0


@pytest.mark.parametrize(
    "chips",
    [
        {},
        {"coretemp": []},
        {"coretemp": [entry("Core 0", None)]},
        {"k10temp": [entry("Tctl", 0.0)]},
    ],
)
def test_nothing_plausible_is_unavailable(chips, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        Linux(lambda: chips, tmp_path)
