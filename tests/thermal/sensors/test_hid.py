import pytest

from mlxts.thermal.sensors import hid
from mlxts.thermal.sensors.base import Unavailable
from tests.thermal.sensors.fake_apple import M4_SERVICES, FakeApple


def opened(services) -> tuple[FakeApple, hid.Hid]:
    fake = FakeApple(services=services)
    return fake, hid.Hid(fake.frameworks())


def test_the_recorded_m4_services_give_35_as_the_hottest() -> None:
    _, sensor = opened(M4_SERVICES)
    sample = sensor.read()
    assert sample.hottest == pytest.approx(35.09)
    assert sample.temperature == pytest.approx((31.97 + 32.61 + 35.09) / 3)
    assert [probe.name for probe in sample.probes] == ["PMU2 tdie5", "PMU tdie10", "PMU tdie8"]


def test_named_clusters_rule_over_the_die_on_early_chips() -> None:
    _, sensor = opened(
        [
            ("pACC MTR Temp Sensor2", 60.0),
            ("eACC MTR Temp Sensor0", 50.0),
            ("GPU MTR Temp Sensor1", 71.0),
            ("SOC MTR Temp Sensor0", 90.0),
            ("PMGR SOC Die Temp Sensor0", 88.0),
            ("ANE MTR Temp Sensor1", 99.0),
        ]
    )
    sample = sensor.read()
    assert (sample.cpu, sample.gpu, sample.temperature, sample.hottest) == (55, 71, 71, 90)


def test_equal_names_are_all_kept() -> None:
    _, sensor = opened([("PMU tdie1", 40.0), ("PMU tdie1", 50.0)])
    assert sensor.read().temperature == 45.0
    assert sensor.dump() == {"PMU tdie1": [40.0, 50.0]}


def test_only_selected_services_are_asked_for_an_event() -> None:
    fake, sensor = opened(M4_SERVICES)
    before = fake.calls["IOHIDServiceClientCopyEvent"]
    sensor.read()
    assert fake.calls["IOHIDServiceClientCopyEvent"] - before == 3
    assert len(sensor.dump()) == len(M4_SERVICES)


def test_services_without_a_name_or_an_event_are_passed_over() -> None:
    _, sensor = opened([(None, 60.0), ("PMU tdie1", None), ("PMU tdie2", 44.0)])
    assert sensor.read().temperature == 44.0


@pytest.mark.parametrize(
    "services",
    [
        [],
        [("PMU tcal", 51.8), ("PMU tdev1", -9201.0)],
        [("PMU tdie1", 0.0), ("PMU tdie2", -9201.0)],
    ],
)
def test_no_die_is_unavailable_and_nothing_leaks(services) -> None:
    fake = FakeApple(services=services)
    with pytest.raises(Unavailable):
        hid.Hid(fake.frameworks())
    assert not any(fake.leaks.values())


def test_many_reads_hold_nothing() -> None:
    fake, sensor = opened(M4_SERVICES)
    held = sum(fake.held.values())
    for _ in range(20):
        sensor.read()
        sensor.dump()
    assert sum(fake.held.values()) == held
    sensor.close()
    assert not any(fake.leaks.values())
