"""Who may change what, and who did: claims on files compared with git."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mlxts.errors import WorkspaceError
from mlxts.workspace import context, git, summaries
from mlxts.workspace.context_records import Claim, Record, Workstream, validated


@dataclass(frozen=True)
class Trespass:
    """A file that one workstream claims and another one changed. `commit` "": not committed.

    `by` "": unknown, since the commit at which it was claimed is gone.
    """

    path: str
    owner: str
    mode: str
    by: str
    commit: str
    subject: str

    def __str__(self) -> str:
        if not self.by:
            return (
                f"who changed {self.path}, {self.mode} of {self.owner}, is unknown: commit "
                f"{self.commit[:10]}, at which it was claimed, is gone; claim it again"
            )
        how = f"in {self.commit} ({self.subject})" if self.commit else "and has not committed it"
        return f"{self.path} is {self.mode} of {self.owner}; {self.by} changed it {how}"


def claim(
    root: Path,
    workstream: str,
    paths: list[str],
    *,
    shared: bool = False,
    resources: list[str] | None = None,
    **described: Any,
) -> Record[Workstream]:
    """Claim files or folders, and resources, for a workstream, which is active from then on.

    Args:
        paths: relative to the working folder, or absolute; they need not exist yet.
        described: other fields of the header (name, focus, keywords), None where they stay.

    Raises:
        WorkspaceError: another workstream's claim excludes it, or a path is not in the project.
    """
    with context.changing(root) as before:
        now = git.state(root)
        mode = "SHARED" if shared else "PRIMARY"
        since = now.hash or None if now else None
        places = [{"path": _inside(root, p), "mode": mode, "since": since} for p in paths]
        wanted = [validated(Claim, place) for place in places]
        for header in before.headers:
            for mine in wanted if header.workstream != workstream else ():
                theirs = next((c for c in header.owns if summaries.excludes(mine, c)), None)
                if theirs:
                    raise WorkspaceError(
                        f"{theirs.path} is {theirs.mode} of {header.workstream} "
                        f"({header.name or 'no name'}); let it `mlxts workspace release "
                        f"{header.workstream} {theirs.path}`, or both claim it with --shared"
                    )
        record = before.workstreams[workstream]
        other_claims = [c for c in record.header.owns if c.path not in {w.path for w in wanted}]
        held = record.header.resources
        more = tuple(r for r in resources or () if r not in held)
        after = record.update(
            owns=(*other_claims, *wanted),
            resources=(*held, *more),
            status="active" if record.header.status in ("idle", "done") else record.header.status,
            branch=now.branch if now else record.header.branch,
            **{key: value for key, value in described.items() if value},
        )
        context.save(before.with_workstream(after), after)
    return after


def release(
    root: Path, name: str, paths: list[str], resources: list[str] | None = None
) -> Record[Workstream]:
    """Give up some claims; without paths and resources all of them, and the workstream is idle.

    Raises:
        WorkspaceError: it does not hold one of them; nothing is changed.
    """
    with context.changing(root) as before:
        record = before.workstreams[name]
        gone = {_inside(root, path) for path in paths}
        held = {c.path for c in record.header.owns} | set(record.header.resources)
        unknown = sorted((gone | set(resources or ())) - held)
        if unknown:
            raise WorkspaceError(
                f"{name} holds no {unknown[0]}, only {', '.join(sorted(held)) or 'nothing'}"
            )
        everything = not paths and not resources
        after = record.update(
            owns=() if everything else tuple(c for c in record.header.owns if c.path not in gone),
            resources=()
            if everything
            else tuple(r for r in record.header.resources if r not in (resources or ())),
            status="idle" if everything else record.header.status,
        )
        context.save(before.with_workstream(after), after)
    return after


def trespasses(loaded: context.Context) -> list[Trespass]:
    """Changes since a claim by a workstream that may not make them, newest first.

    A commit is of the workstream that its trailer names, else of the one whose branch alone holds
    it. What is not committed is of the workstream whose branch is checked out, if it is one's only.
    What can be of several is nobody's.
    """
    now = git.state(loaded.root)
    if now is None:
        return []
    here = [h.workstream for h in loaded.headers if h.branch == now.branch and h.status != "idle"]
    claims = [(header.workstream, held) for header in loaded.headers for held in header.owns]
    reported = [
        Trespass(path, owner, held.mode, here[0], "", "")
        for owner, held in claims
        for path in (now.changed if len(here) == 1 else ())
        if held.covers(path) and not _is_allowed(loaded, here[0], path)
    ]
    # One call of git for all the claims of one commit.
    for since in dict.fromkeys(held.since for _, held in claims):
        alike = [(owner, held) for owner, held in claims if held.since == since]
        if since and not git.knows(loaded.root, since):
            reported += [
                Trespass(held.path, owner, held.mode, "", since, "") for owner, held in alike
            ]
            continue
        for commit in git.commits(loaded.root, since, [held.path for _, held in alike]):
            by = commit.workstream or _by_branch(loaded, commit)
            reported += [
                Trespass(path, owner, held.mode, by, commit.hash, commit.subject)
                for owner, held in alike
                for path in commit.files
                if by and held.covers(path) and not _is_allowed(loaded, by, path)
            ]
    return list(dict.fromkeys(reported))


def _is_allowed(loaded: context.Context, name: str, path: str) -> bool:
    record = loaded.workstreams.get(name)
    return record is not None and any(c.covers(path) for c in record.header.owns)


def _by_branch(loaded: context.Context, commit: git.Commit) -> str:
    named = [(h.workstream, h.branch) for h in loaded.headers if h.branch]
    holding = git.branches_with(loaded.root, commit.hash) if named else set()
    holders = [name for name, branch in named if branch in holding]
    return holders[0] if len(holders) == 1 and len(holding) == 1 else ""


def _inside(root: Path, path: str) -> str:
    """Relative to the project, forward slashes, no slash at the end. Raises WorkspaceError."""
    whole = (Path.cwd() / path).resolve()
    if root.resolve() not in whole.parents:
        raise WorkspaceError(f"{path} is not below {root}; name a file or folder of the project")
    return PurePosixPath(whole.relative_to(root.resolve())).as_posix()
