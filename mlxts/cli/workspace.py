"""`mlxts workspace`: up to three workstreams side by side, handed off and picked up again."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from mlxts.cli.output import JsonOption, Note, Part, Verbatim, render
from mlxts.formats import UNKNOWN
from mlxts.tables import Column, Table

workspace = typer.Typer(
    help="Workstreams, phases and decisions: file ownership, status, handoff.",
    no_args_is_help=True,
)


class Stream(StrEnum):
    ws1 = "ws1"
    ws2 = "ws2"
    ws3 = "ws3"


class Status(StrEnum):
    planned = "planned"
    active = "active"
    paused = "paused"
    done = "done"


StreamArgument = Annotated[Stream, typer.Argument(help="ws1, ws2 or ws3.")]
PathsArgument = Annotated[list[str] | None, typer.Argument(help="Files or folders.")]
ResourceOption = Annotated[
    list[str] | None,
    typer.Option("--resource", help="A shared resource, e.g. GPU; repeat."),
]


@workspace.command()
def init(as_json: JsonOption = False) -> None:
    """Create the records of a new project in the working folder."""
    from mlxts.workspace import project, scaffold

    here = Path.cwd()
    written = [project.relative(path, here) for path in scaffold.write(here)]
    render({"written": written}, as_json, map(Path, written))


@workspace.command()
def status(as_json: JsonOption = False) -> None:
    """Show all workstreams, their files, and files changed by others than their owner."""
    from mlxts.workspace import context, ownership, project

    loaded = context.load(project.root())
    changed = ownership.trespasses(loaded)
    result = {
        "workstreams": [header.model_dump(mode="json") for header in loaded.headers],
        "changed_by_another": [vars(change) for change in changed],
    }
    rows = [
        vars(h)
        | {
            "holds": "\n".join([*(f"{c.path} {c.mode}" for c in h.owns), *h.resources]) or None,
            "waits for": "\n".join(f"{b.by}: {b.why}" for b in h.blocked_by) or None,
        }
        for h in loaded.headers
    ]
    columns = (
        Column("workstream", " "), "name", "status", Column("focus", "focus"),
        "holds", "waits for",
    )  # fmt: skip
    warnings = [Note(f"warning: {change}") for change in changed]
    render(result, as_json, [Table("Workstreams", columns, rows), *warnings])


@workspace.command()
def claim(
    workstream: StreamArgument,
    paths: PathsArgument = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Claim as SHARED with other workstreams, not PRIMARY.")
    ] = False,
    resource: ResourceOption = None,
    name: Annotated[str | None, typer.Option(help="The workstream's name.")] = None,
    focus: Annotated[str | None, typer.Option(help="Its topic, in one sentence.")] = None,
    keyword: Annotated[
        list[str] | None, typer.Option("--keyword", help="Keyword for `restore`; repeat.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Claim a workstream, and files that it alone (or with others) may change."""
    from mlxts.workspace import ownership, project

    record = ownership.claim(
        project.root(),
        workstream.value,
        paths or [],
        shared=shared,
        resources=resource,
        name=name,
        focus=focus,
        keywords=tuple(keyword or ()),
    )
    _show(record, as_json)


@workspace.command()
def release(
    workstream: StreamArgument,
    paths: PathsArgument = None,
    resource: ResourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release files or resources; without arguments all, and the workstream becomes idle."""
    from mlxts.workspace import ownership, project

    record = ownership.release(project.root(), workstream.value, paths or [], resource)
    _show(record, as_json)


@workspace.command()
def handoff(
    workstream: StreamArgument,
    summary: Annotated[str, typer.Option(help="The current state, in one sentence.")],
    done: Annotated[
        list[str] | None, typer.Option("--done", help="A result since the last handoff; repeat.")
    ] = None,
    next_: Annotated[
        list[str] | None, typer.Option("--next", help="What to do next, in order; repeat.")
    ] = None,
    blocked_by: Annotated[
        list[str] | None,
        typer.Option(
            "--blocked-by", metavar="WS:WHY", help="A blocking workstream and the reason; repeat."
        ),
    ] = None,
    finished: Annotated[
        bool, typer.Option("--finished", help="The workstream is finished.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Record a workstream's status; runs, data and git state are added automatically."""
    from mlxts.workspace import context, ownership, project
    from mlxts.workspace.handoff import HandoffNotes, write

    notes = HandoffNotes(
        summary,
        tuple(done or ()),
        tuple(next_ or ()),
        tuple(_blocking(text) for text in blocked_by or ()),
        finished,
    )
    root = project.root()
    record = write(root, workstream.value, notes)
    where = (record.path, root / project.CONTEXT / context.GLOBAL)
    loaded = context.load(root)
    screen: list[Part] = [
        *(path.relative_to(root) for path in where),
        *(
            f"{header.workstream} ({header.name or 'no name'}): {header.focus or UNKNOWN}"
            for header in loaded.headers
            if header.workstream != workstream.value and header.status in ("active", "blocked")
        ),
        *(Note(f"warning: {change}") for change in ownership.trespasses(loaded)),
        Note("commit both files, so that they survive this machine"),
    ]
    render(record.header.model_dump(mode="json") | {"path": str(record.path)}, as_json, screen)


@workspace.command()
def restore(
    words: Annotated[
        list[str] | None, typer.Argument(help="Your next task; its keywords select a workstream.")
    ] = None,
    workstream: Annotated[
        Stream | None, typer.Option("--workstream", help="Select it by name instead.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print what is needed to resume a workstream, in reading order."""
    from mlxts.workspace import project
    from mlxts.workspace import restore as restoring

    sections = restoring.sections(
        project.root(), workstream.value if workstream else None, " ".join(words or ())
    )
    result = {"sections": [{"title": title, "text": text} for title, text in sections]}
    numbered = (f"=== {n}. {title}\n\n{text}" for n, (title, text) in enumerate(sections, 1))
    render(result, as_json, Verbatim("\n\n".join(numbered)))


@workspace.command()
def decide(
    title: Annotated[str, typer.Argument(help="The decision, in one line.")],
    why: Annotated[str, typer.Option(help="The reasons.")],
    instead: Annotated[
        list[str] | None, typer.Option("--instead", help="A rejected alternative; repeat.")
    ] = None,
    evidence: Annotated[
        list[str] | None, typer.Option("--evidence", help="A run, a document, a figure; repeat.")
    ] = None,
    workstream: Annotated[Stream | None, typer.Option(help="Workstream that decided.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a decision to the log; entries are added, never changed."""
    from mlxts.workspace import decisions, project

    number = decisions.decide(
        project.root(),
        title,
        why=why,
        instead=instead or (),
        evidence=evidence or (),
        workstream=workstream.value if workstream else None,
    )
    render({"decision": number}, as_json, f"{number}: {title}")


@workspace.command()
def phase(
    name: Annotated[str | None, typer.Argument(help="e.g. 6A; leave it out to see all.")] = None,
    status: Annotated[Status | None, typer.Option(help="New status.")] = None,
    title: Annotated[
        str | None, typer.Option("--name", help="New name; an unknown phase is added.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Stage to start.")] = None,
    stage_done: Annotated[
        bool, typer.Option("--stage-done", help="With --stage: mark it finished.")
    ] = False,
    note_: Annotated[str | None, typer.Option("--note", help="A one-line note.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the phases, or change one."""
    from mlxts.workspace import context, decisions, project

    root = project.root()
    if name:
        decisions.phase(
            root,
            name,
            status=status.value if status else None,
            title=title,
            stage=stage,
            stage_done=stage_done,
            note=note_,
        )
    phases = [phase.model_dump(mode="json") for phase in context.load(root).phases.header.phases]
    columns = (
        Column("id", "phase"),
        "name",
        "status",
        Column(
            "stages", form=lambda stages: "\n".join(f"{s['name']} ({s['status']})" for s in stages)
        ),
        "note",
    )  # fmt: skip
    render({"phases": phases}, as_json, Table("Phases", columns, phases))


def _blocking(text: str) -> Any:
    from mlxts.errors import WorkspaceError
    from mlxts.workspace.context_records import WORKSTREAMS, Blocking, validated

    by, _, why = text.partition(":")
    if by.strip() not in WORKSTREAMS or not why.strip():
        raise WorkspaceError(f"--blocked-by {text!r}: write it as 'ws2: why'")
    return validated(Blocking, {"by": by.strip(), "why": why.strip()})


def _show(record: Any, as_json: bool) -> None:
    header = record.header
    held = [*(f"{c.path} ({c.mode})" for c in header.owns), *header.resources]
    name = f" ({header.name})" if header.name else ""
    render(
        header.model_dump(mode="json"),
        as_json,
        f"{header.workstream}{name} is {header.status} and holds {', '.join(held) or 'nothing'}",
    )
