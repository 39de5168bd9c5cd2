"""Handing off: a workstream's state written down so that anybody can go on from it.

A handoff states the whole situation again: what is done, what comes next, what is waited for. Facts
(runs, data, git) are gathered, not typed. What a person wrote under *Notes* stays, and each handoff
leaves one line in the table at the end, for good.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlxts.errors import WorkspaceError
from mlxts.tables import markdown
from mlxts.workspace import blocks, context, git, ownership, project, state_report, summaries
from mlxts.workspace.context_records import Blocking, Record, Workstream

_COLUMNS = ("#", "when", "commit", "where it stood")


@dataclass(frozen=True)
class HandoffNotes:
    """What only the one who hands off knows. Each a line of text."""

    summary: str
    done: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    blocked_by: tuple[Blocking, ...] = ()
    finished: bool = False  # the workstream has reached its end


def write(root: Path, name: str, notes: HandoffNotes) -> Record[Workstream]:
    """Write the workstream's file and the summary rows that follow from it.

    Raises:
        WorkspaceError: a record cannot be read, or a text is no single line; nothing is touched.
        StorageError: a file cannot be written.
    """
    for text in (notes.summary, *notes.done, *notes.next):
        if not text.strip() or len(text.splitlines()) != 1 or blocks.MARK in text:
            raise WorkspaceError("a summary, a thing done or to do is one line of plain text")
    if any(blocking.by == name for blocking in notes.blocked_by):
        raise WorkspaceError(f"{name} cannot wait for itself")
    with project.at_home(root), context.changing(root) as before:
        record = before.workstreams[name]
        now, when = git.state(root), datetime.now(UTC).replace(microsecond=0)
        changes: dict[str, Any] = {
            "status": "done" if notes.finished else "blocked" if notes.blocked_by else "active",
            "focus": notes.summary,
            "branch": now.branch if now else record.header.branch,
            "blocked_by": notes.blocked_by,
            "handoffs": record.header.handoffs + 1,
            "updated": when,
            "commit": (now.hash or None) if now else None,
        }
        header = record.update(**changes).header
        trespasses = ownership.trespasses(before)
        try:
            earlier = summaries.history(record.body)
        except blocks.BlockError as error:
            raise WorkspaceError(f"{record.path}: {error}") from error
        written = {
            "handoff": _situation(root, record.header, header, notes, now, trespasses),
            summaries.HISTORY: _history(earlier, header),
        }
        body = context.rewritten(record, lambda block: written[block]).body
        after = record.update(**changes).saying(_titled(body, header))
        context.save(before.with_workstream(after), after)
    return after


def _situation(
    root: Path,
    before: Workstream,
    now: Workstream,
    notes: HandoffNotes,
    state: git.GitState | None,
    trespasses: list[ownership.Trespass],
) -> str:
    waits = [f"- {b.by}: {b.why}" for b in notes.blocked_by]
    about = [t for t in trespasses if now.workstream in (t.owner, t.by)]
    parts = [
        ("Current state", notes.summary),
        ("Done since the last handoff", "\n".join(f"- {item}" for item in notes.done) or "None."),
        ("Next", "\n".join(f"{n}. {item}" for n, item in enumerate(notes.next, 1)) or "None."),
        ("Waits for", "\n".join(waits) or "Nobody."),
        ("Runs since the last handoff", state_report.runs_since(before.updated)),
        ("Data", state_report.data()),
        ("Code", state_report.code(state, before.commit, root)),
    ]
    if about:
        parts.append(("Changed by somebody else", "\n".join(f"- {item}" for item in about)))
    opening = f"Handed off {summaries.moment(now.updated)}."
    return "\n\n".join([opening, *(f"## {title}\n\n{text}" for title, text in parts)])


def _history(earlier: list[str], now: Workstream) -> str:
    newest = markdown(
        _COLUMNS,
        [
            (
                now.handoffs,
                summaries.moment(now.updated),
                f"`{now.commit[:10]}`" if now.commit else "–",
                now.focus,
            )
        ],
    )
    return "\n".join([newest, *earlier])


def _titled(body: str, header: Workstream) -> str:
    """The heading with the current name of the workstream."""
    title = f"# {header.workstream}" + (f": {header.name}" if header.name else "")
    lines = body.split("\n")
    place = next((i for i, line in enumerate(lines) if line.startswith("# ")), None)
    if place is not None:
        lines[place] = title
    return "\n".join(lines)
