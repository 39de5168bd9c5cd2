import json
from pathlib import Path

import pytest

from mlxts.thermal import sensors
from mlxts.thermal.sensor_listing import SensorListing
from mlxts.thermal.sensors.base import Pressure, Probe, Sample, Sensor, Unavailable
from mlxts.thermal.sensors.scripted import Scripted

SAYS = {
    "smc": Sample((Probe("Tp01", "cpu", 71.0), Probe("Tp02", "cpu", 6.7))),
    "hid": Sample((Probe("PMU tdie1", "soc", 62.0),)),
    "pressure": Sample(pressure=Pressure.MODERATE),
}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Scripted]:
    """A Mac with three sensors; lists every one that was opened."""
    made: list[Scripted] = []

    def opener(name: str):
        def open_it() -> Sensor:
            if name not in SAYS:
                raise Unavailable("not here")
            made.append(Scripted((SAYS[name],), name))
            return made[-1]

        return open_it

    for name in sensors.OPENERS:
        monkeypatch.setitem(sensors.OPENERS, name, opener(name))
    return made


def test_every_sensor_has_a_row_and_the_ruling_ones_come_first(opened: list[Scripted]) -> None:
    with SensorListing() as survey:
        survey.read()
        rows = {row.name: row for row in survey.rows()}
        assert [row.name for row in survey.rows()][:3] == ["smc", "pressure", "hid"]
        assert set(rows) == set(sensors.OPENERS)
        assert [row.rules for row in survey.rows()] == [True, True, False, False, False, False]
        assert (rows["smc"].cpu, rows["smc"].probes, rows["smc"].rejected) == (71.0, 1, 1)
        assert "sources are never mixed" in rows["hid"].verdict
        assert rows["hid"].soc == 62.0
        assert rows["nvidia"].verdict == "not here"
        assert survey.verdict() == "smc: 71.0 °C, acceptable (best available)"
    assert len(opened) == 3  # each once
    assert all(sensor._closed for sensor in opened)


def test_what_was_asked_for_rules(opened: list[Scripted]) -> None:
    with SensorListing("hid") as survey:
        survey.read()
        assert [row.name for row in survey.rows() if row.rules] == ["hid"]
        assert survey.report()["temperature"] == 62.0
        smc = next(row for row in survey.rows() if row.name == "smc")
        assert (smc.available, smc.verdict) == (True, "reads; passed over")
    assert len(opened) == 3


@pytest.mark.usefixtures("opened")
def test_the_report_and_the_raw_samples_are_json() -> None:
    with SensorListing() as survey:
        survey.read()
        report = json.loads(json.dumps(survey.report()))
        raw = json.loads(json.dumps(survey.raw()))
    assert report["pressure"] == "Moderate"
    assert raw["raw"]["smc"]["Tp02"] == 6.7  # what was rejected is in the recording
    assert raw["raw"]["linux"] == "not here"


@pytest.mark.usefixtures("opened")
def test_a_trace_is_judged_as_a_run_would(tmp_path: Path) -> None:
    path = tmp_path / "trace.yaml"
    path.write_text("[60, 140, 60]")
    with SensorListing(f"scripted:{path}") as survey:
        for _ in range(3):
            survey.read()
        assert survey.report()["temperature"] == 60.0
        assert [row.name for row in survey.rows() if row.rules] == ["scripted"]
