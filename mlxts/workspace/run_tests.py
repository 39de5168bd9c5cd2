"""The one way to run the tests: all of them, one run at a time in a folder. `make test` calls it.

Two runs at once would share two cores, miss their time limits and fail for nothing, so the second
one waits. The lock is the operating system's (`flock`): it ends with the process that holds it,
however that ends, and worker processes do not inherit it.
"""

import fcntl
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / ".venv" / "tests.lock"
ARGUMENTS = ("-q", "-n", "2", "--dist", "worksteal")


@contextmanager
def alone(path: Path) -> Generator[None]:
    """Hold the lock at `path` during the block; wait, with a message, where another does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            print(f"the tests are being run by {holder}; waiting for it", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} since {datetime.now():%H:%M}")
        lock.flush()
        yield


def keep_compiled() -> None:
    """Let this process and all below it keep what Python compiles, beside the sources.

    Also where the environment turns caching off (PYTHONDONTWRITEBYTECODE, as in many
    containers): otherwise each of the hundreds of processes would compile the package again, and
    each worker every test with its assertions rewritten. No folder of its own: what the installer
    has compiled of the libraries, which takes half a minute, is beside them.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def main() -> int:
    """Run every test; the exit status is that of pytest."""
    import pytest

    os.chdir(ROOT)
    keep_compiled()
    with alone(LOCK):
        return int(pytest.main(list(ARGUMENTS)))


if __name__ == "__main__":
    sys.exit(main())
