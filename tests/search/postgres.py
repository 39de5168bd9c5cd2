"""A PostgreSQL server of the tests' own: a temporary folder, a Unix socket, gone at the end."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
}


@contextmanager
def server() -> Generator[str]:
    """Start a server and give the SQLAlchemy URL of its database.

    Skips the test where there is no PostgreSQL, or nobody whom it would run as; in CI that fails.
    """
    programs = {name: _find(name) for name in ("initdb", "postgres")}
    user = _unprivileged()
    if None in programs.values():
        _missing("no PostgreSQL on this machine: initdb and postgres are in no known place")
    if os.geteuid() == 0 and user is None:
        _missing("PostgreSQL does not run as root, and there is no user postgres or nobody")
    if importlib.util.find_spec("psycopg") is None:
        _missing('no psycopg: pip install "mlxts[postgres]"')
    # Not pytest's folder, nor what TMPDIR may name: those can be closed to the user that the server
    # runs as, and too long for the name of a socket.
    short = Path("/tmp")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=short if short.is_dir() else None))
    process = None
    try:
        as_user = {} if user is None else {"user": user, "group": _group(user), "extra_groups": []}
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        subprocess.run(
            [programs["initdb"], "-D", data, "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8"],
            cwd=folder, check=True, capture_output=True, **as_user,
        )  # fmt: skip
        options = {**_SETTINGS, "unix_socket_directories": str(folder)}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [programs["postgres"], "-D", data]
                + [part for key, value in options.items() for part in ("-c", f"{key}={value}")],
                cwd=folder, stdout=log, stderr=log, **as_user,
            )  # fmt: skip
        _wait(folder, process)
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    finally:
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGQUIT)  # at once; nothing is worth keeping
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start: {(folder / 'log').read_text()}")


def _find(name: str) -> str | None:
    places = os.pathsep.join([os.environ.get("PATH", ""), *map(str, _DEBIAN)])
    return shutil.which(name, path=places)


def _unprivileged() -> str | None:
    """Whom the server runs as: None for us."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; CI must have one")
    pytest.skip(reason)
