""".claude/context as one thing: read whole, changed under a lock, written file by file.

Headers are the source of truth. The tables in `global_context.md` and `phase_tracker.md` follow
from them and are rendered, so that a process killed between two writes leaves nothing wrong that
the next write does not put right.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from mlxts.errors import WorkspaceError
from mlxts.files import delete_temporary_files, write_text
from mlxts.workspace import blocks, context_records, project, project_blocks, summaries
from mlxts.workspace.context_records import WORKSTREAMS, H, Record
from mlxts.workspace.project import CONTEXT, Problem

GLOBAL, PHASES, DECISIONS = "global_context.md", "phase_tracker.md", "decision_log.md"
LOCK = ".lock"
LOCK_SECONDS = 60.0
# The blocks that software writes; what it says is lost where one is gone. Workstreams: `_gone`.
_BLOCKS = {GLOBAL: ("workstreams", "coordination"), PHASES: ("phases",), DECISIONS: ()}
_MODELS = {
    GLOBAL: context_records.Overview,
    PHASES: context_records.Phases,
    DECISIONS: context_records.Decisions,
}


@dataclass(frozen=True)
class Context:
    """All records."""

    root: Path
    overview: Record[context_records.Overview]
    phases: Record[context_records.Phases]
    decisions: Record[context_records.Decisions]
    workstreams: dict[str, Record[context_records.Workstream]]

    def with_workstream(self, record: Record[context_records.Workstream]) -> "Context":
        name = record.header.workstream
        return replace(self, workstreams={**self.workstreams, name: record})

    @property
    def headers(self) -> list[context_records.Workstream]:
        return [self.workstreams[name].header for name in WORKSTREAMS]


def load(root: Path) -> Context:
    """Read and validate every record. Raises WorkspaceError, naming the file."""
    folder = root / CONTEXT
    context = Context(
        root,
        context_records.load(folder / GLOBAL, context_records.Overview),
        context_records.load(folder / PHASES, context_records.Phases),
        context_records.load(folder / DECISIONS, context_records.Decisions),
        {
            name: context_records.load(workstream_path(root, name), context_records.Workstream)
            for name in WORKSTREAMS
        },
    )
    for name, record in context.workstreams.items():
        if record.header.workstream != name:
            raise WorkspaceError(
                f"{record.path}: workstream: it says {record.header.workstream}; correct it"
            )
    return context


def workstream_path(root: Path, name: str) -> Path:
    return root / CONTEXT / "workstreams" / f"{name}_context.md"


@contextmanager
def changing(root: Path) -> Generator[Context]:
    """The records, while no other process can change them.

    Raises:
        WorkspaceError: a record that cannot be read (nothing is touched), or another process has
            held the lock for a minute.
    """
    lock = FileLock(root / CONTEXT / LOCK, timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise WorkspaceError(
            f"another process has been changing {CONTEXT} for {LOCK_SECONDS:g} s; end it and "
            "try again"
        ) from error
    try:
        delete_temporary_files(root / CONTEXT)
        yield load(root)
    finally:
        lock.release()


def save(context: Context, *changed: Record) -> None:
    """Write records, each atomically, and then the overview that follows from them.

    Raises:
        WorkspaceError: a block that should be rewritten is not there; nothing is written.
        StorageError: a file cannot be written.
    """
    table = rewritten(context.overview, _of(context, GLOBAL))
    for record in (*changed, table):
        text = record.text()
        if project.read(record.path) != text:
            write_text(record.path, text)


def rewritten(record: Record[H], render: Callable[[str], str]) -> Record[H]:
    """With its blocks rendered again.

    Raises:
        WorkspaceError: marks that do not pair up, or a block is gone that should be written.
    """
    try:
        gone = _gone(record)
        if gone:
            raise blocks.BlockError(0, f"no block named {gone[0]}")
        return record.saying(blocks.rewrite(record.body, render))
    except blocks.BlockError as error:
        raise WorkspaceError(f"{record.path}: {error}; restore the file with git") from error


def renderer(root: Path) -> Callable[[Path, str], Callable[[str], str]]:
    """Renders the blocks of a document: protocol tables, or for records the headers' content."""
    context = load(root)
    renderers = {context.overview.path: GLOBAL, context.phases.path: PHASES}

    def choose(path: Path, text: str) -> Callable[[str], str]:
        if path in renderers:
            return _of(context, renderers[path])
        if root / CONTEXT in path.parents:  # a snapshot: it stays as the handoff wrote it
            return lambda name: blocks.body(text, name)
        return project_blocks.renderer(root)

    return choose


def problems(root: Path) -> Iterator[Problem]:
    """Headers that are not valid, tables that do not follow from them, claims that collide."""
    paths: dict[Path, type[context_records.Header]] = {
        root / CONTEXT / name: model for name, model in _MODELS.items()
    }
    paths |= {workstream_path(root, name): context_records.Workstream for name in WORKSTREAMS}
    broken = False
    for path, model in paths.items():
        try:
            context_records.load(path, model)
        except WorkspaceError as error:
            broken = True
            message = str(error).removeprefix(f"{path}: ")
            yield Problem(project.relative(path, root), 0, message)
    if broken:
        return
    try:
        context = load(root)
    except WorkspaceError as error:
        yield Problem(CONTEXT.as_posix(), 0, str(error))
        return
    yield from _missing(context)
    yield from _stale(context)
    yield from _counts(context)
    for workstream, other, path in summaries.collisions(context.headers):
        where = project.relative(workstream_path(root, workstream), root)
        yield Problem(where, 0, f"{path} is claimed by {other} as well; release one of them")


def _missing(context: Context) -> Iterator[Problem]:
    for record in (context.overview, context.phases, *context.workstreams.values()):
        where = project.relative(record.path, context.root)
        try:
            for name in _gone(record):
                # `_counts` reads the history, and reports it.
                if name != summaries.HISTORY:
                    yield Problem(where, 0, f"no block named {name}; restore the file with git")
        except blocks.BlockError as error:
            yield Problem(where, error.line, error.message)


def _stale(context: Context) -> Iterator[Problem]:
    for name, record in ((GLOBAL, context.overview), (PHASES, context.phases)):
        where = project.relative(record.path, context.root)
        try:
            for line, block in blocks.stale(project.read(record.path), _of(context, name)):
                yield Problem(where, line, f"block {block} is stale; run `mlxts docs render`")
        except blocks.BlockError as error:
            yield Problem(where, error.line, error.message)


def _gone(record: Record) -> list[str]:
    """The blocks that a record must have and has not. Raises BlockError."""
    needed = _BLOCKS.get(record.path.name, ("handoff", summaries.HISTORY))
    return [name for name in needed if name not in blocks.names(record.body)]


def _counts(context: Context) -> Iterator[Problem]:
    for record in context.workstreams.values():
        where = project.relative(record.path, context.root)
        try:
            rows = summaries.history(record.body)
        except blocks.BlockError as error:
            yield Problem(where, 0, error.message)
            continue
        if len(rows) != record.header.handoffs:
            message = f"{record.header.handoffs} handoffs in the header, {len(rows)} in the table"
            yield Problem(where, 0, f"{message}; restore the file with git")
    count = summaries.decision_count(context.decisions.body)
    if count != context.decisions.header.decisions:
        where = project.relative(context.decisions.path, context.root)
        message = f"{context.decisions.header.decisions} decisions in the header, {count} below"
        yield Problem(where, 0, f"{message}; restore the file with git")


def _of(context: Context, name: str) -> Callable[[str], str]:
    if name == GLOBAL:
        rendered = {
            "workstreams": lambda: summaries.summary(context.headers),
            "coordination": lambda: summaries.coordination(context.headers),
        }
    else:
        rendered = {"phases": lambda: summaries.phases(context.phases.header)}
    return lambda block: rendered[block]()
