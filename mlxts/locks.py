"""Locks that end with the process that holds them, and that name this process.

The system releases a lock when its holder dies, however it dies, and no step of a clock and no
process number that is used again can make a living holder appear dead, or a dead one alive.

Where processes only take turns at a file for a moment, `filelock` serves; it waits, but cannot tell
who holds a lock, nor whether anybody does without taking it.
"""

import fcntl
import json
import os
import re
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlxts.errors import StorageError
from mlxts.files import state_folder

_USER_INFO = re.compile(r"(?s)(?<=://).*@")
_PASSWORD = re.compile(r"(?is)((?:password|passwd|pwd)\s*=).*")
_STORAGE = "--storage"
_LOOKS, _LOOK_SECONDS = 10, 0.01


@dataclass(frozen=True)
class Holder:
    """The holder of a lock, as far as its file names it."""

    pid: int | None = None
    command: str = ""
    since: str = ""

    def __str__(self) -> str:
        """`process 123 (mlxts train demo.yaml, since 2025-01-02 03:04)`."""
        if self.pid is None:
            return "another process"
        return f"process {self.pid} ({self.command}, since {self.since})"


def folder() -> Path:
    """Where locks lie that all workspaces of a user share: `MLXTS_LOCKS`, or the user's state.

    A lock whose file were removed, as caches are, would be held by two.
    """
    given = os.environ.get("MLXTS_LOCKS")
    return Path(given) if given else state_folder() / "locks"


@contextmanager
def hold(path: Path) -> Generator[Holder | None]:
    """Hold `path` while the block runs, if no other process does.

    Yields:
        None where this process holds it now, else who does.

    Raises:
        StorageError: the file cannot be made or opened.
    """
    descriptor = _open(path)
    try:
        if not _locked(descriptor):
            yield _holder(descriptor)
            return
        _write(descriptor, _holder_record())
        try:
            yield None
        finally:
            _write(descriptor, b"")
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for children that inherited it
    finally:
        os.close(descriptor)


def holder(path: Path) -> Holder | None:
    """The current holder of a lock; None where there is none, or no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(descriptor)
    finally:
        os.close(descriptor)
    return None


def command(arguments: Sequence[str] | None = None) -> str:
    """This process's command, in one line and without any password."""
    first, *rest = arguments or sys.argv or [""]
    words = [Path(first).name if Path(first).name != "__main__.py" else "mlxts"]
    for before, word in zip([first, *rest], rest, strict=False):
        if before == _STORAGE:
            word = "***"
        elif word.startswith(f"{_STORAGE}="):
            word = f"{_STORAGE}=***"
        words.append(_PASSWORD.sub(r"\1***", _USER_INFO.sub("***@", word)))
    return " ".join(" ".join(words).split())


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageError(
            f"the lock {path} cannot be opened ({error.strerror}{_held_by(path)}); name a folder "
            "that you may write to: in MLXTS_LOCKS for the locks of devices, in MLXTS_HOME for runs"
        ) from error


def _held_by(path: Path) -> str:
    """`, it belongs to ann` where that explains why it cannot be opened."""
    with suppress(OSError, KeyError):
        owner = next(place for place in (path, *path.parents) if place.exists())
        if owner.stat().st_uid != os.geteuid():
            return f", {owner} belongs to {owner.owner()}"
    return ""


def _locked(descriptor: int) -> bool:
    for _ in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if os.pread(descriptor, 1, 0):
                return False
            time.sleep(_LOOK_SECONDS)  # held without a name: by a process that only checks it
        else:
            return True
    return False


def _holder_record() -> bytes:
    since = datetime.now().strftime("%Y-%m-%d %H:%M")
    return json.dumps({"pid": os.getpid(), "command": command(), "since": since}).encode()


def _write(descriptor: int, text: bytes) -> None:
    """Whose lock it is; a full disk costs the name, not the lock."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text, 0)


def _holder(descriptor: int) -> Holder:
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):  # it has not written yet
        return Holder()
