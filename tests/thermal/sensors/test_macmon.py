import subprocess
from pathlib import Path

import pytest

from mlxts.thermal.sensors import macmon
from mlxts.thermal.sensors.base import Sample, Unavailable
from mlxts.thermal.sensors.macmon import Macmon, parse
from tests.thermal.sensors.machines import MACMON_LINE, macmon_program


def test_the_recorded_line_gives_both_means() -> None:
    sample = parse(MACMON_LINE)
    assert (sample.cpu, sample.gpu) == (43.73614, 36.95167)
    assert sample.temperature == 43.73614


@pytest.mark.parametrize(
    "line",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"temp": null}',
        '{"temp": {}}',
        '{"temp": {"cpu_temp_avg": "warm"}}',
        '{"temp": {"cpu_temp_avg": null}}',
        b"\xff\xfe",
        MACMON_LINE[:80],
    ],
)
def test_what_is_no_sample_is_empty(line: str | bytes) -> None:
    assert parse(line) == Sample()


def test_zero_stands_for_absent() -> None:
    sample = parse('{"temp": {"cpu_temp_avg": 0.0, "gpu_temp_avg": 55.5}}')
    assert (sample.cpu, sample.gpu) == (None, 55.5)


def test_it_is_started_as_a_pipe_and_ended_with_the_sensor(tmp_path: Path) -> None:
    program = macmon_program(
        tmp_path,
        f"open({str(tmp_path / 'argv')!r}, 'w').write(' '.join(sys.argv[1:]))\n"
        f"print({MACMON_LINE!r}, flush=True)\n"
        "time.sleep(600)",
    )
    sensor = Macmon(program, interval=0.5)
    process = sensor._process
    assert (tmp_path / "argv").read_text() == "pipe -i 500"
    assert sensor.read().temperature == 43.73614
    sensor.close()
    assert process.poll() is not None
    assert not sensor._reader.is_alive()


def test_one_that_ignores_the_request_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = macmon_program(
        tmp_path,
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"print({MACMON_LINE!r}, flush=True)\n"
        "time.sleep(600)",
    )
    sensor = Macmon(program)
    wait = subprocess.Popen.wait
    monkeypatch.setattr(
        subprocess.Popen,
        "wait",
        lambda self, timeout=None: wait(self, timeout=0.2 if timeout else None),
    )
    sensor.close()
    assert sensor._process.returncode == -9


def test_an_old_line_is_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = macmon_program(tmp_path, f"print({MACMON_LINE!r}, flush=True)\ntime.sleep(600)")
    sensor = Macmon(program)
    monkeypatch.setattr(macmon, "FRESH", 0.0)
    assert sensor.read() == Sample()
    sensor.close()


@pytest.mark.parametrize(
    "body",
    [
        "sys.exit(1)",
        'print(\'{"temp": {"cpu_temp_avg": 0.0, "gpu_temp_avg": 0.0}}\', flush=True)\n'
        "time.sleep(600)",
    ],
    ids=["ends at once", "says zero"],
)
def test_one_that_gives_no_temperature_is_unavailable(tmp_path: Path, body: str) -> None:
    with pytest.raises(Unavailable, match="gives no temperature"):
        Macmon(macmon_program(tmp_path, body))


def test_one_that_cannot_start_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "macmon").write_text("no program")
    with pytest.raises(Unavailable, match="does not start"):
        Macmon(str(tmp_path / "macmon"))


def test_it_is_looked_for_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="not installed"):
        macmon.open_sensor()
    macmon_program(tmp_path, f"print({MACMON_LINE!r}, flush=True)\ntime.sleep(600)")
    sensor = macmon.open_sensor()
    assert sensor.read().temperature is not None
    sensor.close()
