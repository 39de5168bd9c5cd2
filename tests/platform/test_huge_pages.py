"""Large pages: asked for where that helps, and by the same process with the same arguments."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlxts.platform import huge_pages

ASKED = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


@pytest.fixture
def on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Linux with a new glibc, where a program must ask for large pages."""
    monkeypatch.setattr(huge_pages.sys, "platform", "linux")
    monkeypatch.setattr(huge_pages.platform, "libc_ver", lambda: ("glibc", "2.36"))
    policy = tmp_path / "enabled"
    policy.write_text("always [madvise] never\n")
    return policy


def test_they_are_asked_for_where_they_are_given_on_request(on_request: Path) -> None:
    assert huge_pages.variables({}, on_request) == ASKED
    for policy in ("[always] madvise never\n", "always madvise [never]\n"):
        on_request.write_text(policy)
        assert huge_pages.variables({}, on_request) == {}
    assert huge_pages.variables({}, on_request / "absent") == {}


@pytest.mark.parametrize("environment", [{"MLXTS_KERNELS": "stock"}, {"GLIBC_TUNABLES": ""}, ASKED])
def test_what_the_user_says_is_left_alone(on_request: Path, environment: dict[str, str]) -> None:
    assert huge_pages.variables(environment, on_request) == {}


@pytest.mark.parametrize("library", [("glibc", "2.31"), ("musl", "1.2.5"), ("", "")])
def test_another_library_is_not_asked(
    on_request: Path, monkeypatch: pytest.MonkeyPatch, library: tuple[str, str]
) -> None:
    monkeypatch.setattr(huge_pages.platform, "libc_ver", lambda: library)
    assert huge_pages.variables({}, on_request) == {}


def test_another_system_is_not_asked(on_request: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_pages.sys, "platform", "darwin")
    assert huge_pages.variables({}, on_request) == {}


def test_the_command_begins_once_more_as_the_same_process(tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(
        "import os, sys\n"
        "from mlxts.platform import huge_pages as pages\n"
        "print(os.getpid(), sys.argv[1:], pages.in_use(), flush=True)\n"
        "pages.restart_process()\n"
    )
    outer = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, str(script), "train", "a b"],
        env=outer, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    process = lines[0].split()[0]
    expected = [f"{process} ['train', 'a b'] False"]
    if huge_pages.variables(outer):
        expected.append(f"{process} ['train', 'a b'] True")
    assert lines == expected
