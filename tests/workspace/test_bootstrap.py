"""Making .venv: with an interpreter that runs, once, and one at a time."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlxts.workspace import bootstrap


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder whose Python is this one; its kernels are left as they are."""
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / ".venv" / "installed.sha256")
    monkeypatch.setattr(bootstrap, "warm", lambda: None)
    return tmp_path


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_an_interpreter_that_is_on_path_but_does_not_run_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path, "python3.12", "exit 127")
    _program(tmp_path, "python3.13", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert bootstrap.find_interpreter() == "python3.13"


def test_without_any_interpreter_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.find_interpreter() is None


def test_a_second_setup_installs_nothing_until_something_changes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(bootstrap, "install", calls.append)
    assert bootstrap.main() == bootstrap.main() == 0
    assert len(calls) == 1
    (project / "constraints.txt").write_text("another version")
    assert bootstrap.main() == 0
    assert len(calls) == 2


def test_an_install_that_fails_is_tried_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(interpreter: str) -> None:
        raise subprocess.CalledProcessError(1, [interpreter])

    monkeypatch.setattr(bootstrap, "install", fail)
    with pytest.raises(subprocess.CalledProcessError):
        bootstrap.main()
    assert not bootstrap.is_current()


def test_two_at_once_install_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def slowly(interpreter: str) -> None:
        calls.append(interpreter)
        time.sleep(0.3)

    monkeypatch.setattr(bootstrap, "install", slowly)
    threads = [threading.Thread(target=bootstrap.main) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_kernels_are_compiled_after_an_install_and_not_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(bootstrap, "install", lambda interpreter: order.append("install"))
    monkeypatch.setattr(bootstrap, "warm", lambda: order.append("warm"))
    assert bootstrap.main() == bootstrap.main() == 0
    assert order == ["install", "warm"]


@pytest.mark.parametrize("script", ["exit 1", "kill -SEGV $$", "sleep 5", None])
def test_kernels_that_cannot_be_compiled_hold_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    if script:
        _program(tmp_path, "python", script)
    monkeypatch.setattr(bootstrap, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(bootstrap, "WARMING_SECONDS", 0.2)
    began = time.perf_counter()
    bootstrap.warm()
    assert time.perf_counter() - began < 3
