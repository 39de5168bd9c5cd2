import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from mlxts.cli import output
from mlxts.cli.thermal import _live_view, thermal
from mlxts.errors import ConfigError
from mlxts.thermal.sensor_listing import SensorListing

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


@pytest.mark.parametrize("width", [80, 160])
def test_a_terminal_is_shown_the_bands_and_how_the_temperature_changes(
    trace: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, path = io.StringIO(), Path(trace.partition(":")[2])
    screen = Console(file=stream, width=width, color_system=None)
    monkeypatch.setattr(output, "console", lambda: screen)
    monkeypatch.chdir(path.parent)
    with SensorListing(f"scripted:{path.name}") as listing:
        listing.read()
        began, _ = listing.trend[0]
        listing.trend.extend((began + second, 60 + second / 10) for second in range(1, 181))
        assert listing.per_minute == pytest.approx(6.0)
        screen.print(_live_view(listing))
    lines = stream.getvalue().splitlines()
    text = "\n".join(lines)
    assert "normal below 70  acceptable below 85  warning to 95  critical above 95" in text
    assert "↑ +6.0 °C in the last minute" in text
    assert "warning at 85 °C" in text
    assert lines[-1].split()[0] == "0:00"
    assert lines[-1].endswith(" 3:00")
    assert max(map(len, lines)) <= width
    assert len(lines) <= 23


def test_a_terminal_without_a_sensor_says_so() -> None:
    stream = io.StringIO()
    with SensorListing("off") as listing:
        listing.read()
        Console(file=stream, width=80, color_system=None).print(_live_view(listing))
    assert "no temperature yet" in stream.getvalue()


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
