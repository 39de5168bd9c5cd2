"""Whose a running trial is, and whether that worker still lives.

A claim is a lock that a worker holds from before its name is in the trial until the trial has
ended. A worker of this machine is alive as long as it holds its lock; clocks have no part in that.
Of other machines nothing is known but their heartbeats (`database.py`).
"""

import os
import socket
import uuid
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.trial import FrozenTrial

from mlxts import files, locks
from mlxts.errors import StorageError

OWNER = "owner"  # the user attribute of a trial with the process that runs it


@cache
def machine() -> str:
    """An id of this machine and user, made once and kept in the user's state folder.

    A laptop's host name follows the network that it is in, and so do the addresses of its cards.
    Earlier versions kept the id in the cache folder: there it is taken over from, since running
    trials name it.
    """
    path, former = files.state_folder() / "machine", files.cache_folder() / "machine"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                former_id = former.read_text(encoding="utf-8").strip() if former.is_file() else ""
                files.write_text(path, f"{former_id or uuid.uuid4().hex}\n")
        return path.read_text(encoding="utf-8").strip()
    except (StorageError, OSError):  # a home that cannot be written: as good as it gets
        return f"{uuid.getnode():012x}"


def shared_folder() -> Path:
    """The folder of claims on trials of a database: next to the machine's id, and as private."""
    return files.state_folder() / "claims"


@contextmanager
def claim(folder: Path) -> Generator[dict[str, Any]]:
    """Hold a new claim while the block runs.

    Yields:
        What to write into the trial: host (for people: it changes with the network), machine, pid
        and claim, which is None where the folder cannot be written.
    """
    name: str | None = uuid.uuid4().hex
    with ExitStack() as held:
        path = folder / f"{name}.lock"
        try:
            held.enter_context(locks.hold(path))
            held.callback(path.unlink, missing_ok=True)
        except StorageError:
            name = None
        host = socket.gethostname()
        yield {"host": host, "machine": machine(), "pid": os.getpid(), "claim": name}


def is_alive(trial: FrozenTrial, folder: Path) -> bool | None:
    """Whether the worker of a running trial is alive; None where this machine cannot tell."""
    owner = trial.user_attrs.get(OWNER, {})
    if owner.get("machine") != machine() or not owner.get("claim"):
        return None
    path = folder / f"{owner['claim']}.lock"
    if locks.holder(path) is not None:
        return True
    with suppress(OSError):
        path.unlink()
    return False
