"""Decisions and phases: what was decided and why, and how far the project has come."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mlxts.errors import WorkspaceError
from mlxts.workspace import blocks, context, git, summaries
from mlxts.workspace.context_records import Phase, Stage, validated

_ENTRIES = "<!-- entries -->"


def decide(
    root: Path,
    title: str,
    *,
    why: str,
    instead: Sequence[str] = (),
    evidence: Sequence[str] = (),
    workstream: str | None = None,
) -> str:
    """Add a decision to the log, newest first; entries are added, never changed.

    Returns:
        Its number, D-0001 for instance.

    Raises:
        WorkspaceError: the log cannot be read; nothing is touched.
    """
    if len(title.splitlines()) != 1:
        raise WorkspaceError("a decision's title is one line; give the reasons with --why")
    if any(blocks.MARK in text for text in (title, why, *instead, *evidence)):
        raise WorkspaceError(f"a decision cannot hold {blocks.MARK}")
    with context.changing(root) as before:
        record, now = before.decisions, git.state(root)
        count = summaries.decision_count(record.body)
        if count != record.header.decisions or _ENTRIES not in record.body:
            raise WorkspaceError(f"{record.path} lost entries; restore the file with git")
        number = f"D-{count + 1:04d}"
        where = f", at `{now.commit}`" if now and now.commit else ""
        facts = [
            f"- **When**: {summaries.moment(datetime.now(UTC))}{where}",
            *([f"- **Workstream**: {workstream}"] if workstream else []),
            f"- **Why**: {' '.join(why.split())}",
            *(f"- **Instead of**: {' '.join(text.split())}" for text in instead),
            *(f"- **Evidence**: {' '.join(text.split())}" for text in evidence),
        ]
        entry = "\n".join([_ENTRIES, "", f"## {number}: {title}", "", *facts])
        body = record.body.replace(_ENTRIES, entry, 1)
        after = record.update(decisions=count + 1).saying(body)
        context.save(before, after)
    return number


def phase(
    root: Path,
    name: str,
    *,
    status: str | None = None,
    title: str | None = None,
    stage: str | None = None,
    stage_done: bool = False,
    note: str | None = None,
) -> Phase:
    """Change a phase, or add one when `title` is given.

    Args:
        stage: started, or ended with `stage_done`.

    Raises:
        WorkspaceError: no such phase or stage, or the tracker cannot be read.
    """
    with context.changing(root) as before:
        record = before.phases
        phases = {p.id: p for p in record.header.phases}
        if name not in phases and title is None:
            raise WorkspaceError(
                f"no phase {name}, only {', '.join(phases)}; --name adds one, with its name"
            )
        old = phases.get(name) or validated(Phase, {"id": name, "name": title or name})
        changes = {"status": status, "name": title, "note": note}
        if stage:
            changes["stages"] = _staged(old, stage, done=stage_done)
        fields = {k: v for k, v in changes.items() if v is not None}
        moment = datetime.now(UTC).replace(microsecond=0)
        new = validated(Phase, old.model_dump() | fields | {"updated": moment})
        after = record.update(phases=tuple((phases | {name: new}).values()))
        phase_table = summaries.phases(after.header)
        context.save(before, context.rewritten(after, lambda block: {"phases": phase_table}[block]))
    return new


def _staged(old: Phase, stage: str, *, done: bool) -> tuple[Stage, ...]:
    stages = {s.name: s for s in old.stages}
    if done and stage not in stages:
        raise WorkspaceError(f"phase {old.id} has no stage {stage!r}; its name must be the same")
    status = "done" if done else "active"
    stages[stage] = validated(Stage, {"name": stage, "status": status})
    return tuple(stages.values())
