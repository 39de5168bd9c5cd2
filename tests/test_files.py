import errno
import fcntl
import json
import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from mlxts import files
from mlxts.errors import StorageError


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.json"
    files.write_json(target, {"a": 1})
    files.write_json(target, {"a": 2})
    assert json.loads(target.read_text()) == {"a": 2}
    assert [p.name for p in target.parent.iterdir()] == ["a.json"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    files.write_text(target, "old")

    def fail() -> None:
        with files.atomic_path(target) as temporary:
            temporary.write_text("half")
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_place_that_cannot_be_is_not_called_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="choose another place") as caught:
        files.write_text(tmp_path / "file" / "a.txt", "a")
    assert "disk space" not in str(caught.value)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    files.write_text(target, "old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(StorageError, match="free some disk space"):
            files.write_text(target, "x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_macos_is_asked_to_empty_the_drives_own_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []

    def full(descriptor: int, command: int) -> int:
        assert command == 51
        flushed.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        return 0

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)  # as in macOS's <sys/fcntl.h>
    monkeypatch.setattr(fcntl, "fcntl", full)
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append("fsync"))
    files.write_text(tmp_path / "a", "x")
    assert flushed == ["file", "folder"]


def test_a_file_system_without_a_full_flush_is_flushed_as_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []

    def refused(descriptor: int, command: int) -> int:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", refused)
    monkeypatch.setattr(os, "fsync", flushed.append)
    files.write_text(tmp_path / "a", "x")
    assert len(flushed) == 2


def test_a_folder_that_cannot_be_made_is_an_error_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        files.write_text(tmp_path / "file" / "a.txt", "x")


def test_the_mode_is_the_one_asked_for(tmp_path: Path) -> None:
    with files.atomic_path(tmp_path / "a", mode=0o444) as temporary:
        temporary.write_text("x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o444


def test_the_workspace_is_the_working_folder_unless_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLXTS_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert files.runs_folder().resolve() == tmp_path / "outputs" / "runs"
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path / "elsewhere"))
    assert files.raw_folder() == tmp_path / "elsewhere" / "data" / "raw"


def test_the_canonical_hash_ignores_the_order_of_keys_only() -> None:
    assert files.canonical_hash({"a": 1, "b": [1, 2]}) == files.canonical_hash(
        {"b": [1, 2], "a": 1}
    )
    assert files.canonical_hash([1, 2]) != files.canonical_hash([2, 1])


def test_digests_are_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.digest(tmp_path / "a", "md5") == "900150983cd24fb0d6963f7d28e17f72"
    assert os.path.getsize(tmp_path / "a") == 3  # noqa: PTH202


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    files.write_text(tmp_path / "kept.json", "{}")
    files.write_text(tmp_path / "deep" / "a.tmp", "kept")
    (tmp_path / ".lock").touch()
    if os.fork() == 0:
        with files.atomic_path(tmp_path / "deep" / "torn.json") as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.wait()
    (tmp_path / "deep" / f".last.1{files.TEMPORARY}").mkdir()
    (tmp_path / "deep" / f".last.1{files.TEMPORARY}" / "weights").write_text("half")
    assert len(list(tmp_path.rglob("*"))) == 7
    files.delete_temporary_files(tmp_path)
    left = sorted(path.name for path in tmp_path.rglob("*"))
    assert left == [".lock", "a.tmp", "deep", "kept.json"]
