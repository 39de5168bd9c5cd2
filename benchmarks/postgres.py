"""A PostgreSQL server of our own: a temporary folder, a Unix socket, gone at the end."""

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
from typing import Any

_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
}


class Missing(Exception):
    """There is no PostgreSQL here, or nobody whom it would run as; the message says which."""


class Server:
    """A PostgreSQL server that can be stopped and started."""

    def __init__(
        self, program: str, folder: Path, as_user: dict[str, Any], environment: dict[str, str]
    ) -> None:
        self._program, self._folder, self._as_user = program, folder, as_user
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[Any] | None = None
        self.url = f"postgresql+psycopg://postgres@/postgres?host={folder}"

    def start(self) -> None:
        options = {**_SETTINGS, "unix_socket_directories": str(self._folder)}
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [self._program, "-D", self._folder / "data"]
                + [part for key, value in options.items() for part in ("-c", f"{key}={value}")],
                cwd=self._folder, env=self._environment, stdout=log, stderr=log, **self._as_user,
            )  # fmt: skip
        self._process = process
        _wait(self._folder, process)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """At once, whoever is connected."""
        if self._process is None or not self.runs:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()


@contextmanager
def server(environment: dict[str, str] | None = None) -> Generator[Server]:
    """Start a server, with more variables in its environment, and give it.

    Raises:
        Missing: there is none that could be started.
    """
    initdb, program = _find("initdb"), _find("postgres")
    user = _unprivileged()
    if initdb is None or program is None:
        raise Missing("no PostgreSQL on this machine: initdb and postgres are in no known place")
    if os.geteuid() == 0 and user is None:
        raise Missing("PostgreSQL does not run as root, and there is no user postgres or nobody")
    if importlib.util.find_spec("psycopg") is None:
        raise Missing('no psycopg: pip install "mlxts[postgres]"')
    # Not the folder of a test, nor what TMPDIR may name: those can be closed to the user that the
    # server runs as, and too long for the name of a socket.
    short = Path("/tmp")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=short if short.is_dir() else None))
    one = None
    try:
        as_user: dict[str, Any] = (
            {} if user is None else {"user": user, "group": _group(user), "extra_groups": []}
        )
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        subprocess.run(
            [str(initdb), "-D", data, "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8"],
            cwd=folder, check=True, capture_output=True, **as_user,
        )  # fmt: skip
        one = Server(str(program), folder, as_user, environment or {})
        one.start()
        yield one
    finally:
        if one is not None:
            one.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(folder: Path, process: subprocess.Popen[Any]) -> None:
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
