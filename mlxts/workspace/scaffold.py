"""The records of a project that begins: three idle workstreams, the phases, an empty log."""

from pathlib import Path

from mlxts.errors import WorkspaceError
from mlxts.files import write_text
from mlxts.workspace import blocks, context
from mlxts.workspace.context_records import (
    WORKSTREAMS,
    Decisions,
    Overview,
    Phase,
    Phases,
    Record,
    Workstream,
)
from mlxts.workspace.project import CONTEXT

_PHASES = (
    ("1", "First runs and their baselines", "configs/phase1"),
    ("6A", "Parameter scaling", "configs/sweeps/phase6a.yaml"),
    ("6B", "Data scaling", "configs/sweeps/data_scaling.yaml"),
    ("6C", "Feature scaling", "configs/sweeps/feature_scaling.yaml"),
    ("6D", "How the axes interact", None),
)
_GLOBAL = """# Global context

What every workstream has to know. The tables follow from the headers of the other files here and
are written by `mlxts workspace`; the rest is written by people.

## Workstreams

<!-- rendered: workstreams -->
<!-- end -->

## Who holds what

<!-- rendered: coordination -->
<!-- end -->

## Shared state

The question is whether predictive skill grows with parameters, features and data. What is fixed
stands in [experimental_protocol.md](../../docs/experimental_protocol.md), how far the project has
come in [phase_tracker.md](phase_tracker.md), and why it went that way in
[decision_log.md](decision_log.md).

## Coordination notes

None.
"""
_TRACKER = """# Phase tracker

A phase is a milestone and rarely changes; a stage is a piece of work within one and may have a plan
in `docs/` that is archived when the stage ends. `mlxts workspace phase` changes this table.

<!-- rendered: phases -->
<!-- end -->
"""
_LOG = """# Decision log

What was decided, when, and why; newest first. `mlxts workspace decide` adds entries. A decision
that no longer holds is not edited: a new one says what replaces it.

<!-- entries -->
"""
_WORKSTREAM = """# {name}

<!-- rendered: handoff -->
<!-- end -->

## Notes

What a handoff does not gather: written by hand, kept by every handoff.

## Handoffs

<!-- rendered: history -->
<!-- end -->
"""


def write(root: Path) -> list[Path]:
    """Make .claude/context in `root`; the files written.

    Raises:
        WorkspaceError: there are records already, which stay as they are.
        StorageError: a file cannot be written.
    """
    folder = root / CONTEXT
    if folder.exists():
        raise WorkspaceError(f"{folder} is there already; its records stay as they are")
    phases = tuple(Phase(id=key, name=name, note=note) for key, name, note in _PHASES)
    records: list[Record] = [
        Record(folder / context.GLOBAL, Overview(workstreams=WORKSTREAMS), _GLOBAL),
        Record(folder / context.PHASES, Phases(phases=phases), _TRACKER),
        Record(folder / context.DECISIONS, Decisions(decisions=0), _LOG),
    ]
    for name in WORKSTREAMS:
        header = Workstream(workstream=name)
        body = _WORKSTREAM.format(name=name)
        records.append(Record(context.workstream_path(root, name), header, body))
    for record in records:
        write_text(record.path, record.text())
    for record in records:
        rendered = blocks.rewrite(record.text(), context.renderer(root)(record.path, record.text()))
        write_text(record.path, rendered)
    return [record.path for record in records]
