"""Make `.venv` with everything the project needs: `python mlxts/workspace/bootstrap.py`.

Run by the Makefile with whatever Python is at hand, before anything is installed, so it uses the
standard library only and is run as a file, not imported. It does nothing when what is installed
matches pyproject.toml and constraints.txt, and waits its turn when another one is at work.
"""

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.sha256"
OLDEST = (3, 11)
WARMING_SECONDS = 300
CANDIDATES = ("python3.12", "python3.13", "python3.11", "python3")


def main() -> int:
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released by the system, even if this process is killed
        if is_current():
            return 0
        interpreter = find_interpreter()
        if interpreter is None:
            wanted = ".".join(map(str, OLDEST))
            print(f"error: no Python {wanted} or newer runs here; install one", file=sys.stderr)
            return 2
        print(f"installing into .venv with {interpreter} (once)", flush=True)
        install(interpreter)
        STAMP.write_text(fingerprint())
        warm()
    return 0


def is_current() -> bool:
    """Whether .venv holds what the project files ask for, and its interpreter still runs."""
    return STAMP.exists() and STAMP.read_text() == fingerprint() and runs(str(PYTHON))


def fingerprint() -> str:
    """Digest of the files that decide what is installed, and of where (an editable install)."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join([*parts, str(ROOT).encode()])).hexdigest()


def find_interpreter() -> str | None:
    """The first candidate that *runs*: a version manager's shim can be on PATH and fail."""
    return next((name for name in CANDIDATES if shutil.which(name) and runs(name)), None)


def runs(command: str) -> bool:
    probe = f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] < {OLDEST})"
    try:
        done = subprocess.run([command, "-c", probe], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def install(interpreter: str) -> None:
    """uv where there is one, pip where not. Raises CalledProcessError."""
    uv = shutil.which("uv")
    STAMP.unlink(missing_ok=True)
    wanted = ["--constraint", "constraints.txt", "--editable", ".[dev]"]
    if uv:
        run(uv, "venv", "--clear", "--python", interpreter, str(VENV))
        run(uv, "pip", "install", "--quiet", "--python", str(PYTHON), *wanted)
        return
    run(interpreter, "-m", "venv", "--clear", str(VENV))
    run(str(PYTHON), "-m", "pip", "install", "--quiet", *wanted)


def warm() -> None:
    """Let MLX compile training's kernels now. Where it cannot, training does or goes without."""
    print("compiling kernels (once, up to a minute)", flush=True)
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [str(PYTHON), "-m", "mlxts.workspace.warm"],
            cwd=ROOT,
            timeout=WARMING_SECONDS,
            capture_output=True,
            check=False,
        )


def run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(error.cmd[:4])} ... failed; see above", file=sys.stderr)
        sys.exit(2)
