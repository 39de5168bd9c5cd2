import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mlxts.cli.thermal import thermal
from mlxts.errors import ConfigError

app = typer.Typer()
app.command()(thermal)


@pytest.fixture
def trace(tmp_path: Path) -> str:
    path = tmp_path / "trace.yaml"
    path.write_text("[{cpu: 71, gpu: 68, hot: 88, pressure: moderate}]")
    return f"scripted:{path}"


def test_json_is_one_object(trace: str) -> None:
    result = CliRunner().invoke(app, ["--json", "--sensor", trace])
    report = json.loads(result.stdout)
    assert (report["source"], report["temperature"], report["band"]) == (
        "scripted",
        71.0,
        "acceptable",
    )
    assert {row["name"] for row in report["sensors"]} >= {"smc", "hid", "linux", "nvidia"}


def test_without_a_terminal_it_reads_once(trace: str) -> None:
    result = CliRunner().invoke(app, ["--sensor", trace], env={"COLUMNS": "100"})
    assert result.exit_code == 0
    assert "scripted: 71.0 °C, acceptable" in result.stdout
    assert "\x1b" not in result.stdout


def test_off_shows_no_number() -> None:
    result = CliRunner().invoke(app, ["--once", "--sensor", "off"])
    assert "off: unavailable (switched off)" in result.stdout


def test_an_unknown_sensor_is_a_users_error() -> None:
    result = CliRunner().invoke(app, ["--once", "--sensor", "bogus"])
    assert isinstance(result.exception, ConfigError)


def test_one_raw_sample_can_be_recorded(trace: str, tmp_path: Path) -> None:
    target = tmp_path / "raw.jsonl"
    arguments = ["--once", "--sensor", trace, "--record", str(target)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    (line,) = target.read_text().splitlines()
    assert json.loads(line)["raw"]["scripted"]["hot"] == 88.0


def test_a_recording_goes_on_until_ctrl_c_and_is_whole(trace: str, tmp_path: Path) -> None:
    target = tmp_path / "raw.jsonl"
    program = (
        "import typer; from mlxts.cli.thermal import thermal; "
        "app = typer.Typer(); app.command()(thermal); app()"
    )
    arguments = ["--sensor", trace, "--interval", "0.1", "--record", str(target)]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 30
    while not any(part.read_text().count("\n") >= 3 for part in tmp_path.glob(".raw.*")):
        assert time.monotonic() < limit
        assert process.poll() is None
        time.sleep(0.02)
    assert not target.exists()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert "recorded to" in stderr
    assert "temperature sensors" in stdout
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert len(lines) >= 3
    times = [line["time"] for line in lines]
    assert times == sorted(times)
