"""Make `.venv` with everything the project needs: `python mlxts/workspace/install.py`.

Run by the Makefile with whatever Python is at hand (a Mac's own is 3.9), before anything is
installed, so it uses the standard library only and is run as a file, not imported. It does nothing
when what is installed matches pyproject.toml, constraints.txt and the extras asked for, and waits
its turn when another one is at work.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.sha256"
CHOSEN = VENV / "extras"  # EXTRAS of the last call, for calls without it
OLDEST = (3, 11, 5)  # as pyproject.toml; soupsieve, which yfinance needs, takes no older one
FETCHED = "3.12"  # the Python that uv downloads where none runs here
WARMING_SECONDS = 300
CANDIDATES = ("python3.12", "python3.13", "python3.14", "python3.11", "python3")


class SetupError(Exception):
    """Setup failed; the message is for the user."""


def main(arguments: list[str]) -> int:
    """Install what is missing.

    Args:
        arguments: none, or one: the extras besides `dev`, separated by commas or spaces. None
            keeps those of the last time.
    """
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released by the system, even if this process is killed
        extras = chosen(arguments)
        if is_current(extras):
            return 0
        uv = shutil.which("uv")
        interpreter = find_interpreter(needs_pip=uv is None)
        if interpreter is None and uv is None:
            wanted = f"Python {'.'.join(map(str, OLDEST))} or newer"
            if os.environ.get("PYTHON"):
                raise SetupError(f"PYTHON={os.environ['PYTHON']} is no {wanted} that runs here")
            raise SetupError(f"no {wanted} runs here; install one, or uv")
        print(f"installing into .venv with {interpreter or f'Python {FETCHED}'} (once)", flush=True)
        install(uv, interpreter or FETCHED, extras)
        STAMP.write_text(fingerprint(extras))
        warm()
    return 0


def chosen(arguments: list[str]) -> list[str]:
    """The extras of this call, else those of the last one. Raises SetupError: one is unknown."""
    stored = CHOSEN.read_text() if CHOSEN.exists() else ""
    text = arguments[0] if arguments else stored
    extras = sorted({name.lower() for name in re.split(r"[,\s]+", text) if name})
    offered = extras_of((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    unknown = [name for name in extras if name not in offered]
    if unknown:
        raise SetupError(
            f"EXTRAS: there is no {', '.join(unknown)}; choose of {', '.join(offered)}"
        )
    return extras


def extras_of(project: str) -> list[str]:
    """Names under [project.optional-dependencies]; before Python 3.11 nothing here reads TOML."""
    section = re.search(
        r"^\[project\.optional-dependencies\]\n(.*?)(?=^\[|\Z)", project, re.MULTILINE | re.DOTALL
    )
    return re.findall(r"^([\w-]+) *=", section.group(1), re.MULTILINE) if section else []


def is_current(extras: list[str]) -> bool:
    """Whether .venv holds what the project files ask for, and its interpreter still runs."""
    if not STAMP.exists() or STAMP.read_text() != fingerprint(extras):
        return False
    return runs(str(PYTHON), needs_pip=False)


def fingerprint(extras: list[str]) -> str:
    """Digest of all that decides what is installed, and of where (an editable install)."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    text = "\n".join([str(ROOT), *extras])
    return hashlib.sha256(b"\0".join([*parts, text.encode()])).hexdigest()


def find_interpreter(*, needs_pip: bool) -> str | None:
    """The first candidate that *runs*: a version manager's shim can be on PATH and fail.

    The environment's PYTHON (`make setup PYTHON=python3.13`) is the only one where it is given.

    Args:
        needs_pip: whether it has to make .venv and pip itself; Debian's, for one, may not.
    """
    named = os.environ.get("PYTHON")
    candidates = (named,) if named else CANDIDATES
    usable = (name for name in candidates if shutil.which(name) and runs(name, needs_pip=needs_pip))
    return next(usable, None)


def runs(command: str, *, needs_pip: bool) -> bool:
    modules = "sys, venv, ensurepip" if needs_pip else "sys"
    probe = f"import {modules}; sys.exit(sys.version_info[:3] < {OLDEST})"
    try:
        done = subprocess.run([command, "-c", probe], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def install(uv: str | None, python: str, extras: list[str]) -> None:
    """Make .venv again: by uv where there is one, by pip where not. Raises CalledProcessError.

    Args:
        python: a command; uv also takes a version, and fetches that one if it must.
        extras: besides `dev`, and `cpu` where no GPU's library is to be there instead.
    """
    STAMP.unlink(missing_ok=True)
    every = ["dev", *extras] if "cuda" in extras else sorted({"cpu", "dev", *extras})
    wanted = ["--constraint", "constraints.txt", "--editable", f".[{','.join(every)}]"]
    if uv:
        run(uv, "venv", "--clear", "--seed", "--python", python, str(VENV))
    else:
        run(python, "-m", "venv", "--clear", str(VENV))
    CHOSEN.write_text(",".join(extras))  # before what can fail: the next call is to try the same
    if uv:
        run(uv, "pip", "install", "--quiet", "--python", str(PYTHON), *wanted)
    else:
        run(str(PYTHON), "-m", "pip", "install", "--quiet", *wanted)


def warm() -> None:
    """Let MLX compile training's kernels now. Where it cannot, training does or goes without."""
    print("compiling kernels (once, up to a minute)", flush=True)
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [str(PYTHON), "-m", "mlxts.workspace.warm_kernels"],
            cwd=ROOT,
            timeout=WARMING_SECONDS,
            capture_output=True,
            check=False,
        )


def run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as refusal:
        print(f"error: {refusal}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(error.cmd[:4])} ... failed; see above", file=sys.stderr)
    sys.exit(2)
