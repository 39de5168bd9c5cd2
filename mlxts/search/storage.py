"""Where studies live: a journal file on one machine, PostgreSQL for several.

    with storage.opened(url) as store:      # None: this workspace's outputs/search/journal.log
        for name in storage.study_names(store, kind="sweep"): ...

`jobs.py` makes a queue of what is stored.
"""

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

from mlxts.errors import SearchError
from mlxts.files import canonical_hash, outputs_folder
from mlxts.search import database, storage_url
from mlxts.search.database import Database, Heartbeat

_OPENINGS, _OPENING_SECONDS = 10, 0.2  # attempts, and the pause between two
HEARTBEAT = Heartbeat()
_INSTALL = 'pip install "mlxts[postgres]"'


class Journal(JournalStorage):
    """Studies in one file, for the processes of one machine."""

    def __init__(self, path: Path) -> None:
        """Raises SearchError: the file is damaged."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        try:
            super().__init__(JournalFileBackend(str(path), lock_obj=_Lock(path)))
            _require_whole_end(path)
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
            raise SearchError(
                f"{path} is damaged: {' '.join(str(error).split()) or type(error).__name__}; "
                "restore it from a backup, or move it away and start again: runs that are done "
                "stay in outputs/runs and are not trained again"
            ) from error

    def claim_lock(self) -> FileLock:
        """Held from before a trial is claimed until its owner is written down."""
        return FileLock(self.path.with_suffix(".claim.lock"))


class _Lock(JournalFileOpenLock):
    """A lock that the kernel releases when its holder is killed; Optuna's own outlives it by 30 s.

    A killed writer can also leave half a line, which would make the whole journal unreadable as
    soon as another is appended; it is cut off before anybody writes.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._lock = FileLock(path.with_suffix(".lock"))

    def acquire(self) -> bool:
        self._lock.acquire()
        _cut_torn_line(self._path)
        return True

    def release(self) -> None:
        self._lock.release()


def open(
    url: str | None = None,
    heartbeat: Heartbeat = HEARTBEAT,
    *,
    notify: Callable[[str], None] = lambda message: None,
) -> BaseStorage:
    """The storage at `url`.

    Args:
        url: None for the journal of this workspace (outputs/search/journal.log),
            `postgresql+psycopg://user@host/database`, or `sqlite:///file` (one machine).
        heartbeat: of a database; the journal has none.
        notify: is given a sentence whenever the database lets us wait.

    Raises:
        SearchError: not a URL of these, the database cannot be reached, or psycopg is missing.
    """
    # Failures are shown in our own tables; Optuna would print a traceback for each.
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    logging.getLogger("optuna").propagate = False
    if url is None:
        return Journal(journal_path())
    address = storage_url.parse(url)
    try:
        for _ in range(_OPENINGS):
            with contextlib.suppress(IntegrityError, ProgrammingError):
                return Database(address, heartbeat, notify=notify)
            time.sleep(_OPENING_SECONDS)  # others are making the same tables
        return Database(address, heartbeat, notify=notify)
    except ImportError as error:
        raise SearchError(f"{address.drivername} needs psycopg; run: {_INSTALL}") from error
    except SQLAlchemyError as error:
        raise SearchError(
            f"{storage_url.name(address)} cannot be opened: "
            f"{storage_url.without_values(database.reason(error), address)}; "
            f"{storage_url.hint(address)}"
        ) from error


@contextlib.contextmanager
def opened(
    url: str | None = None,
    heartbeat: Heartbeat = HEARTBEAT,
    *,
    notify: Callable[[str], None] = lambda message: None,
) -> Generator[BaseStorage]:
    """The storage at `url`, as `open` gives it, closed behind the block.

    Raises:
        SearchError: see `open`; or the database went away in the block and did not come back.
    """
    store = open(url, heartbeat, notify=notify)
    try:
        yield store
    except StorageInternalError as error:
        raise SearchError(
            f"the storage cannot be reached any more: {database.reason(error)}; what was trained "
            "stays in its run folder, start again when it is back"
        ) from error
    finally:
        close(store)


def close(storage: BaseStorage) -> None:
    """Give a database its connections back; a journal has nothing open between two calls."""
    if isinstance(storage, Database):
        storage.close()


def journal_path() -> Path:
    """Where this workspace's journal is, if it has one."""
    return outputs_folder() / "search" / "journal.log"


def study_name(kind: str, name: str, identity: Any) -> str:
    """`<kind>-<name>-<hash10>`: the same work gets the same study on every machine."""
    return f"{kind}-{name}-{canonical_hash(identity)[:10]}"


def study_names(storage: BaseStorage, kind: str | None = None) -> list[str]:
    """The studies in a storage whose user attribute `kind` is that one; all kinds of ours if None.

    Returns:
        Names, oldest study first.
    """
    return [
        study.study_name
        for study in storage.get_all_studies()
        if (study.user_attrs.get("kind") == kind if kind else "kind" in study.user_attrs)
    ]


def make_study(store: BaseStorage, name: str, attributes: dict[str, Any]) -> None:
    """A study with these user attributes, of which `kind` comes last: without it, it is not whole.

    Two machines may come at the same time, and one may have been killed half-way.
    """
    with contextlib.suppress(DuplicatedStudyError):
        optuna.create_study(study_name=name, storage=store, direction="minimize")
    study = optuna.load_study(study_name=name, storage=store)
    for key in sorted(attributes, key=lambda key: key == "kind"):
        if study.user_attrs.get(key) != attributes[key]:
            study.set_user_attr(key, attributes[key])


def _require_whole_end(path: Path) -> None:
    """Raises ValueError, TypeError: the last line is not JSON. Optuna passes over it until one more
    is added, and could not read the journal after that. A line that was cut is no damage."""
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn and not torn.startswith(b"{"):
        raise ValueError("it ends in bytes that no version writes")
    if whole and not isinstance(json.loads(whole.rpartition(b"\n")[2]), dict):
        raise TypeError("its last line is no JSON object")


def _cut_torn_line(path: Path) -> None:
    with path.open("rb+") as stream:
        size = stream.seek(0, os.SEEK_END)
        if not size:
            return
        stream.seek(size - 1)
        if stream.read(1) == b"\n":
            return
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)
