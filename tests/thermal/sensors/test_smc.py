import ctypes
import json
import struct
from pathlib import Path

import pytest

from mlxts.thermal import policy
from mlxts.thermal.sensors import smc
from mlxts.thermal.sensors.base import Unavailable
from tests.thermal.sensors.fake_apple import M4_IDLE, FakeApple, celsius


def opened(**tables) -> tuple[FakeApple, smc.Smc]:
    fake = FakeApple(**tables)
    return fake, smc.Smc(fake.frameworks())


def test_the_struct_has_the_layout_of_the_kernel_interface() -> None:
    offsets = {name: getattr(smc.KeyData, name).offset for name, *_ in smc.KeyData._fields_}
    assert ctypes.sizeof(smc.KeyData) == 80
    assert offsets == {
        "key": 0,
        "version": 4,
        "limits": 12,
        "info": 28,
        "result": 40,
        "status": 41,
        "data8": 42,
        "data32": 44,
        "bytes": 48,
    }


def test_the_recorded_bytes_of_an_m4_read_as_the_recorded_temperatures() -> None:
    _, sensor = opened(keys=dict(M4_IDLE))
    values = {probe.name: round(probe.celsius, 1) for probe in sensor.read().probes}
    assert values == {"Tp01": 37.3, "Tp05": 37.1, "Tp09": 37.4}
    assert sensor.read().temperature == pytest.approx((37.308 + 37.141 + 37.447) / 3, abs=1e-3)


def test_keys_are_grouped_by_prefix_and_others_left_out() -> None:
    keys = {
        "Te05": celsius(50),
        "Tp01": celsius(60),
        "Tg0G": celsius(70),
        "Ts0P": celsius(31),
        "TB0T": celsius(29),
        "PSTR": celsius(12),
        "Tp0X": (b"ui8 ", b"\x32"),
        "Tp0W": (b"ioft", bytes(8)),
    }
    _, sensor = opened(keys=keys)
    sample = sensor.read()
    assert [(probe.name, probe.group) for probe in sample.probes] == [
        ("Te05", "cpu"),
        ("Tp01", "cpu"),
        ("Tg0G", "gpu"),
    ]
    assert (sample.cpu, sample.gpu, sample.hottest, sample.temperature) == (55, 70, 70, 70)
    assert set(sensor.dump()) == {"Te05", "Tp01", "Tg0G", "Ts0P", "TB0T"}


def test_power_gated_clusters_do_not_cool_the_mean() -> None:
    # M2 Max: gated cores answer 6.7 and 4.6 °C.
    keys = {"Tp01": bytes.fromhex("6666D640"), "Tp05": celsius(4.6), "Tp09": celsius(62.0)}
    fake, sensor = opened(keys=keys)
    assert sensor.read().temperature == 62.0
    fake.keys["Tp09"] = fake.keys["Tp01"]
    assert sensor.read().temperature is None


# Dumps of real Macs lie beside the project, where they lie anywhere.
RECORDED = [parent / "shared/data/smc/readings.json" for parent in Path(__file__).parents]
MACHINES: dict[str, dict[str, float]] = next(
    (json.loads(path.read_text(encoding="utf-8")) for path in RECORDED if path.exists()), {}
)


@pytest.fixture(params=sorted(MACHINES) or [None])
def recorded(request: pytest.FixtureRequest) -> dict[str, float]:
    """Every `flt` temperature key that a real Mac listed, with its value."""
    if request.param is None:
        pytest.skip("shared/data/smc/readings.json is not beside the project")
    return MACHINES[request.param]


def _temperature(values: dict[str, float]) -> float | None:
    _, sensor = opened(keys={name: celsius(value) for name, value in values.items()})
    return sensor.read().temperature


def test_no_recorded_mac_reads_below_its_firmware(recorded: dict[str, float]) -> None:
    temperature = _temperature(recorded)
    assert temperature is not None
    if "TCMb" in recorded:
        assert temperature >= struct.unpack("<f", celsius(recorded["TCMb"]))[0]


def test_keys_of_an_unpowered_cluster_move_no_recorded_mac(recorded: dict[str, float]) -> None:
    cores = [name for name in recorded if name[:2] in ("Tp", "Te", "Tg")]
    powered = {n: v for n, v in recorded.items() if n not in cores or v != 40.0}
    more = {f"Tp{letter}~": 40.0 for letter in "abcdefgh"}
    assert _temperature(recorded) == _temperature(powered) == _temperature({**recorded, **more})


def test_the_hottest_spot_of_a_recorded_mac_rules_nothing(recorded: dict[str, float]) -> None:
    calm = {name: value for name, value in recorded.items() if name != "TCMz"}
    assert _temperature({**recorded, "TCMz": 120.0}) == _temperature(calm)


def test_an_m4_under_load_is_critical_by_its_firmware() -> None:
    # Recorded: the mean of 55 keys is 89.6 °C.
    keys = {"Tp01": 89.6, "Tg0G": 74.4, "TCMb": 96.498, "TCMz": 112.094}
    _, sensor = opened(keys={name: celsius(value) for name, value in keys.items()})
    sample = sensor.read()
    assert sample.temperature == pytest.approx(96.498, abs=1e-3)
    assert sample.hottest == pytest.approx(112.094, abs=1e-3)
    state = policy.ThermalState()
    for _ in range(2):
        state = policy.advance(state, sample.temperature, None, policy.Rules())
    assert (state.band, state.action.kind) == (policy.Band.CRITICAL, "stop")


def test_the_cores_rule_where_they_are_hotter_than_the_firmware_says() -> None:
    values = {"Tp01": 80.0, "Tp05": 90.0, "Tp09": 40.0, "TCMb": 70.0}
    assert _temperature(values) == 85.0


def test_keys_are_listed_once() -> None:
    fake, sensor = opened(keys=dict(M4_IDLE))
    before = fake.calls["IOConnectCallStructMethod"]
    sensor.read()
    assert fake.calls["IOConnectCallStructMethod"] - before == len(M4_IDLE)


def test_a_key_that_vanishes_is_left_out() -> None:
    fake, sensor = opened(keys=dict(M4_IDLE))
    del fake.keys["Tp05"]
    assert [probe.name for probe in sensor.read().probes] == ["Tp01", "Tp09"]


@pytest.mark.parametrize(
    "tables",
    [
        {"keys": {}},
        {"keys": {"TB0T": celsius(30)}},
        {"keys": dict(M4_IDLE), "endpoint": b"AppleSMCOther"},
        {"keys": {"Tp01": celsius(0), "Tg0G": celsius(-3), "TCMb": celsius(0)}},
        {"keys": {"Tp01": celsius(40), "Te05": celsius(40)}},
        {"keys": {"TCMz": celsius(50)}},
    ],
    ids=["no keys", "no die", "no endpoint", "implausible", "unpowered", "a spot only"],
)
def test_a_mac_without_die_temperatures_is_refused_and_nothing_leaks(tables) -> None:
    fake = FakeApple(**tables)
    with pytest.raises(Unavailable):
        smc.Smc(fake.frameworks())
    assert not any(fake.leaks.values())


def test_everything_is_given_back() -> None:
    fake, sensor = opened(keys=dict(M4_IDLE))
    sensor.read()
    sensor.close()
    assert not any(fake.leaks.values())
