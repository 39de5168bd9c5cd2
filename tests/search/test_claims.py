"""A machine keeps its name whatever network it is in."""

import socket
from pathlib import Path

import pytest

from mlxts.search import claims


def test_a_machine_stays_the_same_under_another_host_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = claims.machine.__wrapped__()
    monkeypatch.setattr(socket, "gethostname", lambda: "cafe.local")
    assert claims.machine.__wrapped__() == first
    assert len(first) == 32


def test_without_a_place_to_keep_it_the_machine_still_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(claims.machine.__wrapped__()) == 12
