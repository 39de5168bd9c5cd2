"""`macmon pipe`: one JSON object a line and sample, from a program many Mac users have.

It only knows means, so hottest equals the hotter mean. Its 0.0 means absent.
"""

import json
import shutil
import subprocess
import threading
import time
from typing import IO, Any

from mlxts.thermal.sensors.base import Group, Probe, Sample, Unavailable

COMMAND = "macmon"
INTERVAL = 1.0  # seconds between two lines
FIRST_LINE = 5.0  # seconds to wait for the first
FRESH = 5.0  # seconds after which a line is no longer the *current* temperature

KEYS: tuple[tuple[str, Group], ...] = (("cpu_temp_avg", "cpu"), ("gpu_temp_avg", "gpu"))


def parse(line: str | bytes) -> Sample:
    """The sample of one line; unknown keys are ignored, what is no such line is an empty sample."""
    try:
        temperatures = json.loads(line)["temp"]
        return Sample(
            tuple(
                Probe(key, group, float(temperatures[key]))
                for key, group in KEYS
                if temperatures.get(key) is not None
            )
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Sample()


class Macmon:
    """A running `macmon pipe` and the thread that reads it, since a pipe blocks."""

    name = "macmon"

    def __init__(self, program: str, interval: float = INTERVAL) -> None:
        self._latest: tuple[float, bytes] | None = None
        self._first = threading.Event()
        try:
            self._process = subprocess.Popen(
                [program, "pipe", "-i", str(round(interval * 1000))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Ctrl-C at the terminal is for the run; macmon ends when the sensor is closed.
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"{program} does not start: {error.strerror}") from error
        pipe = self._process.stdout
        assert pipe is not None
        self._reader = threading.Thread(
            target=self._follow, args=(pipe,), name="macmon", daemon=True
        )
        self._reader.start()
        self._first.wait(FIRST_LINE)
        if self.read().temperature is None:
            self.close()
            raise Unavailable("macmon gives no temperature")

    def read(self) -> Sample:
        line = self._line()
        return parse(line) if line else Sample()

    def dump(self) -> dict[str, Any]:
        line = self._line()
        return {"line": line.decode(errors="replace").strip() if line else None}

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(timeout=2)
        self._latest = None

    def _line(self) -> bytes | None:
        latest = self._latest
        if latest is None or time.monotonic() - latest[0] > FRESH:
            return None
        return latest[1]

    def _follow(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self._latest = (time.monotonic(), line)
                self._first.set()
        self._latest = None  # it has ended: nothing is known any more
        self._first.set()


def open_sensor() -> Macmon:
    """Raises Unavailable: not installed, or it gives no temperature."""
    program = shutil.which(COMMAND)
    if program is None:
        raise Unavailable("not installed")
    return Macmon(program)
