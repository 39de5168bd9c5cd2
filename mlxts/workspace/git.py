"""Git's state of the project's folder. Outside a repository there is none."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

TRAILER = "Workstream"  # git commit --trailer "Workstream: ws1"


@dataclass(frozen=True)
class GitState:
    branch: str
    commit: str  # abbreviated; empty before the first one
    hash: str  # the whole of it: abbreviations come to mean nothing, or two things
    subject: str
    changed: tuple[str, ...]  # paths, not committed yet


@dataclass(frozen=True)
class Commit:
    hash: str
    subject: str
    workstream: str  # of its trailer; empty without one
    files: tuple[str, ...]


def state(root: Path) -> GitState | None:
    """Branch, newest commit and what is not committed; None outside a repository.

    Paths are relative to `root`, which may lie below the repository's own folder.
    """
    status = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--branch")
    if status is None:
        return None
    head, *entries = status.rstrip("\0").split("\0")
    branch = head.removeprefix("## ").removeprefix("No commits yet on ").split("...")[0]
    log = _git(root, "log", "-1", "--format=%h%x00%H%x00%s") or "\0\0"
    commit, whole, subject = log.strip("\n").split("\0", 2)
    prefix = (_git(root, "rev-parse", "--show-prefix") or "").strip("\n")
    inside = [p.removeprefix(prefix) for p in _paths(entries) if p.startswith(prefix)]
    return GitState(branch, commit, whole, subject, tuple(inside))


def knows(root: Path, commit: str) -> bool:
    """Whether there is such a commit; a rebase or a shallow clone leaves some behind."""
    revision = f"{commit}^{{commit}}"
    return _git(root, "rev-parse", "--verify", "--quiet", revision) is not None


def commits(root: Path, since: str | None, paths: list[str] | None = None) -> list[Commit]:
    """On any branch, newest first, those that `since` does not hold, touching any of `paths`.

    Files are relative to `root`. Empty where git does not know `since`: ask `knows` first.
    """
    fields = f"%x01%h%x00%s%x00%(trailers:key={TRAILER},valueonly,separator=%x2C)%x00"
    where = ["--branches", "HEAD", *(["--not", since] if since else [])]
    only = ["--", *paths] if paths else []
    log = _git(root, "log", f"--format={fields}", "--name-only", "--relative", "-z", *where, *only)
    listed_commits = []
    for entry in (log or "").split("\x01")[1:]:
        name, subject, trailer, files = entry.split("\0", 3)
        listed = tuple(f for f in files.strip("\n\0").replace("\n", "").split("\0") if f)
        listed_commits.append(Commit(name, subject, trailer.split(",")[0].strip(), listed))
    return listed_commits


def branches_with(root: Path, commit: str) -> set[str]:
    """Local branches that hold a commit."""
    listed = _git(root, "branch", "--contains", commit, "--format=%(refname:short)")
    return set((listed or "").split())


def _paths(entries: list[str]) -> list[str]:
    """Of `git status -z`: a rename is followed by its old name, which is no entry of its own."""
    paths, skip = [], False
    for entry in entries:
        if not skip and entry:
            paths.append(entry[3:])
        skip = not skip and entry[:1] in ("R", "C")
    return paths


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "--no-optional-locks", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
