import os
import sys
import time
from pathlib import Path

import pytest

from mlxts.thermal.prevent_sleep import prevent_sleep


def caffeinate(folder: Path) -> Path:
    """A stand-in that notes how it was called and stays until it is ended."""
    notes = folder / "notes"
    program = folder / "caffeinate"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, sys, time\n"
        f"open({str(notes)!r}, 'w').write(' '.join([str(os.getpid()), *sys.argv[1:]]))\n"
        "time.sleep(600)\n"
    )
    program.chmod(0o755)
    return notes


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_mac_is_kept_awake_for_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = caffeinate(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with prevent_sleep() as holding:
        assert holding
        limit = time.monotonic() + 10
        while not (notes.exists() and notes.read_text()):
            assert time.monotonic() < limit
            time.sleep(0.01)
        process, *arguments = notes.read_text().split()
        assert arguments == ["-is", "-w", str(os.getpid())]
        assert is_running(int(process))
    assert not is_running(int(process))


def test_elsewhere_it_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with prevent_sleep() as holding:
        assert not holding
