"""Which code a run was made by: what its id is a hash of, and the commit for people."""

import subprocess
from pathlib import Path

from mlxts.files import canonical_hash, digest

# What decides the numbers of a run, besides its data: a change here makes it another run.
_DECISIVE = (
    "protocol.py", "targets.py", "splits.py", "dataset.py", "features", "model", "training",
)  # fmt: skip


def code_version() -> str:
    """Digest of the source files that decide a run's numbers."""
    package = Path(__file__).parents[1]
    files = sorted(
        path
        for name in _DECISIVE
        for path in ([package / name] if name.endswith(".py") else (package / name).rglob("*"))
        if path.suffix in (".py", ".txt", ".csv")
    )
    return canonical_hash({str(path.relative_to(package)): digest(path) for path in files})


def git_commit() -> str | None:
    done = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None
