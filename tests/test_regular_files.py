"""A pipe, a device or a folder in the place of a file is refused at once, whatever reads it."""

import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from mlxts import files, json_files
from mlxts.config.loading import load_config
from mlxts.data import registration
from mlxts.data.sources.files import FilesSource
from mlxts.data.sources.trends_csv import TrendsSource
from mlxts.errors import MlxtsError, RunError
from mlxts.runs import predictions
from mlxts.thermal.sensors import scripted
from mlxts.workspace import project

READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "configuration": ("a.yaml", load_config),
    "bars": ("a.csv", lambda path: FilesSource(path).fetch("SPY")),
    "bars in Parquet": ("a.parquet", lambda path: FilesSource(path).fetch("SPY")),
    "trends": ("a.csv", lambda path: TrendsSource(path).symbols()),
    "a raw artifact": ("a.parquet", lambda path: registration.raw(path, source="x", symbol="X")),
    "predictions": ("a.parquet", predictions.read),
    "a heat trace": ("a.yaml", scripted.load),
    "JSON": (
        "a.json",
        lambda path: json_files.read(path, json_files.Shape, error=RunError, remedy="restore it"),
    ),
    "a record": ("a.md", project.read),
}


@pytest.fixture(autouse=True)
def _ends() -> Generator[None]:
    """A reader that waits for a pipe is woken, and fails."""

    def wake(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, wake)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


KINDS: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/tty"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file_is_refused_in_one_line(
    tmp_path: Path, reader: str, kind: str
) -> None:
    name, read = READERS[reader]
    KINDS[kind](tmp_path / name)
    with pytest.raises(MlxtsError) as caught:
        read(tmp_path / name)
    line = str(caught.value)
    assert f"it is {kind}, not a regular file" in line
    assert name in line
    assert "Errno" not in line
    assert "\n" not in line


def test_a_link_to_a_regular_file_is_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").symlink_to("a")
    assert files.read_text(tmp_path / "b") == "x"
