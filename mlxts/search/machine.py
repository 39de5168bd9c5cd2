"""Which machine this is, by a name that no network changes."""

import uuid
from functools import cache

from filelock import FileLock

from mlxts import files
from mlxts.errors import StorageError


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
                known = former.read_text(encoding="utf-8").strip() if former.is_file() else ""
                files.write_text(path, f"{known or uuid.uuid4().hex}\n")
        return path.read_text(encoding="utf-8").strip()
    except (StorageError, OSError):  # a home that cannot be written: as good as it gets
        return f"{uuid.getnode():012x}"
