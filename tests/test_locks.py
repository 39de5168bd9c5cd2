"""Locks that end with their process, whatever the clock says, and name it without a password."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxts import files, locks
from mlxts.errors import StorageError

HOLD = """
import sys
from pathlib import Path
from mlxts import locks
sys.argv = ["/usr/bin/mlxts", "worker", "--storage", "postgresql://me:secret@host/db"]
with locks.hold(Path(sys.argv[0] and sys.orig_argv[-1])) as other:
    print(other is None, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path):
    """(path, process) of a lock that another process holds."""
    path = tmp_path / "lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"True\n"
    yield path, process
    process.kill()
    process.communicate()


def test_a_lock_is_held_by_one_and_names_him(other) -> None:
    path, process = other
    with locks.hold(path) as holder:
        assert holder is not None
        assert str(holder).startswith(
            f"process {process.pid} (mlxts worker --storage ***, since 20"
        )
    assert locks.holder(path) == holder


def test_a_stopped_process_holds_its_lock_and_a_killed_one_does_not(other) -> None:
    path, process = other
    process.send_signal(signal.SIGSTOP)
    assert locks.holder(path) is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert locks.holder(path) is None
    with locks.hold(path) as holder:
        assert holder is None


def test_who_looks_takes_nothing_and_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert locks.holder(path) is None
    assert not path.exists()
    with locks.hold(path) as holder:
        assert holder is None
        assert locks.holder(path) is not None
    assert locks.holder(path) is None


def test_a_lock_that_cannot_be_opened_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLXTS_LOCKS", str(tmp_path / "file"))
    with (
        pytest.raises(StorageError, match=r"cannot be opened \(.*MLXTS_LOCKS") as raised,
        locks.hold(locks.folder() / "lock"),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_a_lock_of_another_user_says_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    path.touch()
    owner = path.owner()

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with (
        pytest.raises(StorageError, match=rf"Permission denied, .*lock belongs to {owner}\)"),
        locks.hold(path),
    ):
        pass


@pytest.mark.parametrize(
    ("system", "folder"), [("darwin", "Library/Application Support"), ("linux", ".local/state")]
)
def test_locks_lie_in_the_users_state_which_no_system_cleans_up(
    system: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLXTS_LOCKS")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(files.sys, "platform", system)
    assert locks.folder() == tmp_path / folder / "mlxts" / "locks"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    assert locks.folder() == tmp_path / "other" / "mlxts" / "locks"


SECRET = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=6, max_size=20
).map(lambda text: f"7{text}7")


@given(
    SECRET,
    st.sampled_from(
        [
            ["--storage", "{}"],
            ["--storage={}"],
            ["--storage", "me:{}@host/db"],
            ["CONFIG", "postgresql://me:{}@host/db"],
            ["--set", "where=sqlite:///file?password={}"],
        ]
    ),
)
def test_no_command_repeats_a_password(secret: str, words: list[str]) -> None:
    said = locks.command(["/bin/mlxts", "worker", *(word.format(secret) for word in words)])
    assert secret not in said
    assert said.startswith("mlxts worker ")
    assert "\n" not in said
