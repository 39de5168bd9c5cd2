import io
import os
import pty
import re
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO

import pytest

from mlxts import console
from mlxts.console import SilentReporter
from mlxts.console.live import LiveReporter
from mlxts.console.plain import PlainReporter
from mlxts.training.events import StopEvent
from tests.console.events import run

VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM")


@contextmanager
def terminal(**environment: str) -> Generator[tuple[TextIO, list[bytes]]]:
    """A pseudo-terminal's stream, and what arrives at its other end."""
    arrived: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        for name, value in ({"TERM": "xterm-256color"} | environment).items():
            patch.setenv(name, value)
        master, slave = pty.openpty()

        def follow() -> None:
            with open(master, "rb", buffering=0) as source:  # noqa: PTH123
                try:
                    while part := source.read(65536):
                        arrived.append(part)
                except OSError:  # Linux: the last writer has closed
                    pass

        reader = threading.Thread(target=follow)
        reader.start()
        with os.fdopen(slave, "w", encoding="utf-8") as stream:
            yield stream, arrived
        reader.join(timeout=10)


def play(stream: TextIO) -> None:
    with console.make(stream) as report:
        for event in run(60):
            report(event)
        report(StopEvent(60, "finished", "all epochs done"))


def test_a_terminal_gets_the_live_screen() -> None:
    with terminal() as (stream, arrived):
        assert isinstance(console.make(stream), LiveReporter)
        play(stream)
    text = b"".join(arrived).decode()
    assert "finished: all epochs done" in text
    assert "\x1b[2K" in text  # it was redrawn in place
    assert "\x1b[?25h" in text  # and the cursor is back


@pytest.mark.parametrize(
    "environment",
    [{"TERM": "dumb"}, {"TTY_INTERACTIVE": "0"}, {"TTY_COMPATIBLE": "0"}],
    ids=lambda environment: next(iter(environment)),
)
def test_a_terminal_that_cannot_redraw_gets_plain_lines(environment: dict[str, str]) -> None:
    with terminal(**environment) as (stream, arrived):
        assert isinstance(console.make(stream), PlainReporter)
        play(stream)
    assert b"\x1b" not in b"".join(arrived)


def test_no_color_is_honoured_on_the_live_screen() -> None:
    with terminal(NO_COLOR="1", COLORTERM="truecolor") as (stream, arrived):
        play(stream)
    codes = re.findall(rb"\x1b\[([0-9;]*)m", b"".join(arrived))
    assert codes
    assert {int(part or 0) for code in codes for part in code.split(b";")} <= {0, 1, 2, 7}


def test_colour_is_used_otherwise() -> None:
    with terminal() as (stream, arrived):
        play(stream)
    codes = re.findall(rb"\x1b\[([0-9;]*)m", b"".join(arrived))
    assert any(code.startswith((b"3", b"1;3", b"38")) for code in codes)


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_pipe_gets_plain_lines_even_where_colour_is_forced(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    stream = io.StringIO()
    assert isinstance(console.make(stream), PlainReporter)
    play(stream)
    assert "\x1b" not in stream.getvalue()


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with console.make(quiet=True) as report:
        for event in run(60):
            report(event)
    assert isinstance(report, SilentReporter)
    assert capsys.readouterr() == ("", "")


def test_json_keeps_standard_output_free(capsys: pytest.CaptureFixture[str]) -> None:
    with console.make(json=True) as report:
        for event in run(60):
            report(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "validation loss" in captured.err


def test_the_terminal_is_restored_when_a_run_fails() -> None:
    with (
        terminal() as (stream, arrived),
        pytest.raises(RuntimeError),
        console.make(stream) as report,
    ):
        for event in run(20):
            report(event)
        raise RuntimeError
    assert b"".join(arrived).rstrip().endswith(b"\x1b[?25h")


def test_the_live_screen_redraws_four_times_a_second_at_most() -> None:
    with terminal() as (stream, arrived), console.make(stream) as report:
        began = time.monotonic()
        for event in run(500):
            report(event)
        time.sleep(0.6)
        elapsed = time.monotonic() - began
    frames = b"".join(arrived).count("╭".encode())
    assert 3 <= frames <= 4 * elapsed + 3  # one more at each end, and one for rounding
