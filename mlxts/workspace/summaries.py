"""What follows from the headers of the records: summaries, who waits for whom, collisions."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from mlxts.tables import markdown
from mlxts.workspace import blocks
from mlxts.workspace.context_records import Claim, Phases, Workstream

HISTORY = "history"
_DECISION = re.compile(r"^## D-(\d{4,}): ", re.M)


def summary(headers: Sequence[Workstream]) -> str:
    """One row a workstream."""
    return markdown(
        ("workstream", "name", "status", "focus", "branch", "handoffs", "last handoff"),
        [
            (
                f"[{h.workstream}](workstreams/{h.workstream}_context.md)",
                h.name or "–",
                h.status,
                h.focus or "–",
                f"`{h.branch}`" if h.branch else "–",
                h.handoffs,
                f"{moment(h.updated)}, `{h.commit}`" if h.updated else "–",
            )
            for h in headers
        ],
    )


def coordination(headers: Sequence[Workstream]) -> str:
    """File ownership, blocking dependencies and shared resources, each only where there is any."""
    claims = [(f"`{c.path}`", c.mode, h.workstream) for h in headers for c in h.owns]
    waits = [(h.workstream, b.by, b.why) for h in headers for b in h.blocked_by]
    users: dict[str, list[str]] = {}
    for header in headers:
        for resource in header.resources:
            users.setdefault(resource, []).append(header.workstream)
    parts = [
        ("**File ownership**", ("path", "mode", "workstream"), sorted(claims)),
        ("**Blocking dependencies**", ("workstream", "waits for", "why"), waits),
        (
            "**Shared resources**",
            ("resource", "used by"),
            [(name, ", ".join(by)) for name, by in sorted(users.items())],
        ),
    ]
    parts_shown = [
        f"{title}\n\n{markdown(columns, rows)}" for title, columns, rows in parts if rows
    ]
    return "\n\n".join(parts_shown) or "No claims, no blocked workstreams, no shared resources."


def phases(header: Phases) -> str:
    return markdown(
        ("phase", "name", "status", "stages", "note"),
        [
            (
                p.id,
                p.name,
                p.status,
                "; ".join(f"{s.name} ({s.status})" for s in p.stages) or "–",
                p.note or "–",
            )
            for p in header.phases
        ],
    )


def history(body: str) -> list[str]:
    """The rows of a workstream's table of handoffs, newest first. Raises BlockError."""
    return [line for line in blocks.body(body, HISTORY).split("\n") if line.startswith("| ")][2:]


def decision_count(body: str) -> int:
    """How many entries the log holds, numbered 1, 2, ...; -1 where the numbers have a gap."""
    numbers = sorted(int(number) for number in _DECISION.findall(body))
    return len(numbers) if numbers == list(range(1, len(numbers) + 1)) else -1


def collisions(headers: Sequence[Workstream]) -> Iterator[tuple[str, str, str]]:
    """(workstream, other, path) of claims that exclude each other."""
    for place, header in enumerate(headers):
        for other in headers[place + 1 :]:
            for claim in header.owns:
                if any(excludes(claim, theirs) for theirs in other.owns):
                    yield header.workstream, other.workstream, claim.path


def excludes(claim: Claim, other: Claim) -> bool:
    """Two workstreams cannot hold both."""
    return claim.overlaps(other) and "PRIMARY" in (claim.mode, other.mode)


def moment(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC" if when else "–"
