"""Where things live, and writing them so that nothing half-written is ever left behind."""

import errno
import fcntl
import hashlib
import io
import json
import math
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlxts.errors import StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_FILES = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
RESOURCES = Path(__file__).with_name("resources")  # package data
SCHEMA = 2  # of what commands print with --json and of a run's files, under the key `schema`
TEMPORARY = ".tmp"  # in every temporary name, which begins with a dot


def in_checkout() -> bool:
    """Whether the package lies in its repository, with the Makefile and benchmarks/ beside it."""
    return (RESOURCES.parents[1] / "Makefile").exists()


def home() -> Path:
    """The workspace: `MLXTS_HOME` if set, else the working folder. Holds data/ and outputs/."""
    return Path(os.environ.get("MLXTS_HOME", "."))


def raw_folder() -> Path:
    return home() / "data" / "raw"


def processed_folder() -> Path:
    return home() / "data" / "processed"


def samples_folder() -> Path:
    return home() / "data" / "samples"


def outputs_folder() -> Path:
    return home() / "outputs"


def runs_folder() -> Path:
    return outputs_folder() / "runs"


def state_folder() -> Path:
    """What belongs to this user and machine and to no workspace, and must last: below
    XDG_STATE_HOME if set, else `~/Library/Application Support` on macOS and `~/.local/state`
    elsewhere."""
    usual = Path("Library", "Application Support")
    if sys.platform != "darwin":
        usual = Path(".local", "state")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / usual) / "mlxts"


def cache_folder() -> Path:
    """What can be made again, and what a system may remove (macOS does): below XDG_CACHE_HOME if
    set, else `~/Library/Caches` on macOS and `~/.cache` elsewhere."""
    usual = Path("Library", "Caches") if sys.platform == "darwin" else Path(".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / usual) / "mlxts"


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file; of a pipe or a device they may never end, or never begin.

    Raises:
        OSError: no such file, no permission, or a folder, a pipe, a socket or a device.
    """
    kind = stat.S_IFMT(path.stat().st_mode)
    if kind != stat.S_IFREG:
        reason = f"it is {_NO_FILES.get(kind, 'a device')}, not a regular file"
        raise OSError(errno.EINVAL, reason, str(path))
    return path.read_bytes()


def read_text(path: Path, *, encoding: str = "utf-8") -> str:
    """The text of a regular file. Raises OSError, as `read_bytes` does, and UnicodeDecodeError."""
    return io.TextIOWrapper(io.BytesIO(read_bytes(path)), encoding=encoding).read()


def reason(error: Exception) -> str:
    """Why a file could not be read, in one line without error number and path."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not UTF-8"
    system_message = error.strerror if isinstance(error, OSError) else None
    return " ".join((system_message or str(error)).split())


@contextmanager
def atomic_path(target: Path, *, mode: int = 0o644) -> Generator[Path]:
    """A temporary path next to `target` that replaces it when the block ends without an error.

    The bytes are flushed to the disk before the replacement, so a reader sees the old file or
    the whole new one. On any error the temporary file is removed and `target` is untouched.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    with temporary_path(target) as temporary:
        yield temporary
        flush(temporary)
        temporary.chmod(mode)
        temporary.replace(target)
        flush(target.parent)


@contextmanager
def temporary_path(target: Path) -> Generator[Path]:
    """A temporary file next to `target`, on the same disk, that is removed when the block ends.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The suffix is kept last because some writers (safetensors) append their own otherwise.
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.stem}.", suffix=f"{TEMPORARY}{target.suffix}"
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
    except OSError as error:
        remedy = "free some disk space" if error.errno in _FULL else "make that folder writable"
        raise StorageError(
            f"could not write {target}: {error.strerror or error}; {remedy} or choose another place"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def delete_temporary_files(folder: Path) -> None:
    """Remove, from `folder` and below, what a killed process left half-written.

    Only for the holder of the folder's lock: another process's temporary files look the same.
    """
    for path in sorted(folder.rglob(f".*{TEMPORARY}*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Send a file, or a folder's own entries, to the disk, so that it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync(descriptor: int) -> None:
    """Send what was written to an open file to the disk.

    On macOS fsync(2) leaves it in the drive's own cache; F_FULLFSYNC empties that too, where the
    file system has it (network ones may not). Raises OSError.
    """
    if hasattr(fcntl, "F_FULLFSYNC"):
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def write_text(target: Path, text: str) -> None:
    """Replace `target` by `text`, atomically. Raises StorageError."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(target: Path, value: Any) -> None:
    """Replace `target` by `value` as JSON, atomically. Raises StorageError."""
    write_text(target, json.dumps(value, indent=2, default=str, allow_nan=False) + "\n")


def finite(value: Any) -> Any:
    """`value` for JSON: numbers that are not finite become None, keys texts."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return finite(value.item()) if hasattr(value, "item") else value  # a NumPy scalar


def is_name(text: str) -> bool:
    """Whether a text names a file or folder that lies where it is put: no path, no pattern."""
    return re.fullmatch(r"\w[\w.+ -]{0,149}", text) is not None


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def canonical_hash(value: Any) -> str:
    """SHA-256 of `value` as canonical JSON: keys sorted, no white space."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
