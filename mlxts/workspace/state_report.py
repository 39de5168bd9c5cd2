"""The current state: newest data, unregistered files, runs since a given time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mlxts.data import store
from mlxts.errors import MlxtsError
from mlxts.evaluation import comparison, run_listing
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.runs.index import run_folders
from mlxts.tables import markdown
from mlxts.workspace import git

NEWEST = 5  # manifest entries shown
RUNS = 20  # of a sweep's hundreds
CHANGED = 20


def data() -> str:
    """The newest manifest entries and what waits for registration, as Markdown.

    An unreadable manifest is reported, not raised: a handoff must not fail for it.
    """
    try:
        raw, processed = store.raw_artifacts(), store.processed_artifacts()
        pending = store.unregistered()
    except MlxtsError as error:
        return f"The manifests cannot be read: {error}"
    entries = sorted((*raw, *processed), key=lambda a: a.timestamp, reverse=True)
    rows = [(a.dataset, a.first, a.last, a.rows, a.timestamp[:10], a.md5) for a in entries[:NEWEST]]
    parts = [
        f"{len(raw)} raw and {len(processed)} processed artifacts; the newest:\n\n"
        + markdown(("dataset", "first", "last", "rows", "registered", "md5"), rows)
        if rows
        else "Nothing is registered.",
        "Pending registrations: " + (_listed(pending, CHANGED) if pending else "none."),
    ]
    return "\n\n".join(parts)


def runs_since(moment: datetime | None) -> str:
    """Runs with activity after `moment` (None: all), newest first, as Markdown."""
    began = [
        (started, folder)
        for started, folder in _started_runs()
        if not moment or started > moment or _last(folder) > moment
    ]
    if not began:
        return "No run."
    rows = []
    for started, folder in sorted(began, reverse=True)[:RUNS]:
        try:
            run = run_listing.describe(folder)
        except MlxtsError as error:
            rows.append((f"`{folder.name}`", str(error), "–", "damaged", "–", "–", "–"))
            continue
        skill = f"{run['skill']:+.4f}" if run["skill"] is not None else "–"
        description = f"{run['name']}: {run['budget']} {run['task']} H = {run['horizon']}"
        rows.append(
            (
                f"`{folder.name}`",
                f"{description}, seed {run['seed']}",
                run["mode"],
                run["status"],
                skill,
                comparison.against(run["verdict"], run["reference"]) or "–",
                f"{started:%Y-%m-%d %H:%M}",
            )
        )
    table = markdown(("run", "what", "mode", "status", "skill", "verdict", "began"), rows)
    left = len(began) - RUNS
    return f"{table}\n\nand {left} more; `mlxts runs` lists them." if left > 0 else table


def code(state: git.GitState | None, since: str | None, root: Path) -> str:
    """Branch, commits since a commit, and what is not committed, as Markdown."""
    if state is None:
        return "No git repository."
    is_known = since is not None and git.knows(root, since)
    made = git.commits(root, since) if is_known else []
    changed = [path for path in state.changed if not path.startswith(".claude/context/")]
    lines = [
        f"- branch `{state.branch}` at `{state.commit or 'no commit'}` {state.subject}".rstrip(),
        f"- not committed: {_listed(changed, CHANGED) if changed else 'nothing'}",
    ]
    if since:
        lines_of_commits = [f"`{c.hash}` {c.subject}" for c in made[:CHANGED]]
        more = f" and {len(made) - CHANGED} more" if len(made) > CHANGED else ""
        there = "; ".join(lines_of_commits) + more if lines_of_commits else "no commit"
        since_text = there if is_known else "that commit is gone, so what came after it is unknown"
        lines.append(f"- since `{since[:10]}`: {since_text}")
    return "\n".join(lines)


def _started_runs() -> list[tuple[datetime, Path]]:
    started = []
    for folder in run_folders():
        try:
            when = datetime.fromisoformat(RunFolder(folder).metadata(("started",))["started"])
        except (MlxtsError, ValueError):
            # A damaged run counts as started when its record was last written.
            written = (folder / layout.METADATA).stat().st_mtime
            when = datetime.fromtimestamp(written, UTC)
        started.append((when if when.tzinfo else when.replace(tzinfo=UTC), folder))
    return started


def _last(folder: Path) -> datetime:
    """Time of a run's last activity; long ago where nothing is recorded."""
    try:
        rows = RunFolder(folder).events()
    except MlxtsError:
        return datetime.now(UTC)  # a damaged record is listed
    return datetime.fromtimestamp(rows[-1].get("time", 0) if rows else 0, UTC)


def _listed(paths: Sequence[str], limit: int) -> str:
    more = f" and {len(paths) - limit} more" if len(paths) > limit else ""
    return ", ".join(f"`{path}`" for path in paths[:limit]) + more
