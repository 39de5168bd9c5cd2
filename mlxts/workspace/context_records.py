"""The headers of .claude/context: a record's YAML, validated, above its prose."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlxts.config.yamltext import YamlError, dump_yaml, parse_yaml
from mlxts.errors import WorkspaceError
from mlxts.workspace import blocks, project

WorkstreamId = Literal["ws1", "ws2", "ws3"]
WORKSTREAMS: tuple[WorkstreamId, ...] = ("ws1", "ws2", "ws3")
Line = Annotated[str, Field(pattern=r"^[^\r\n]*$")]


class Header(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Claim(Header):
    """A file, or a folder with all below it, that a workstream changes.

    PRIMARY: it alone. SHARED: with others that have claimed it as SHARED too.
    """

    path: Line
    mode: Literal["PRIMARY", "SHARED"]
    since: Line | None = None  # commit at which it was claimed

    def covers(self, path: str) -> bool:
        """Whether a path (relative to the project) is claimed by this."""
        return path == self.path or path.startswith(f"{self.path.rstrip('/')}/")

    def overlaps(self, other: "Claim") -> bool:
        return self.covers(other.path) or other.covers(self.path)


class Blocking(Header):
    """What this workstream waits for."""

    by: WorkstreamId
    why: Line


class Workstream(Header):
    """A line of work in one terminal."""

    workstream: WorkstreamId
    name: Line | None = None
    status: Literal["idle", "active", "blocked", "done"] = "idle"
    focus: Line | None = None  # the current state, in one sentence
    keywords: tuple[Line, ...] = ()
    branch: Line | None = None
    owns: tuple[Claim, ...] = ()
    resources: tuple[Line, ...] = ()  # what it uses and others use too: a GPU, a database
    blocked_by: tuple[Blocking, ...] = ()
    handoffs: Annotated[int, Field(ge=0)] = 0
    updated: datetime | None = None
    commit: Line | None = None  # at the last handoff


class Stage(Header):
    """A focused piece of work within a phase."""

    name: Line
    status: Literal["active", "done"] = "active"


class Phase(Header):
    """A milestone of the project."""

    id: Line
    name: Line
    status: Literal["planned", "active", "paused", "done"] = "planned"
    stages: tuple[Stage, ...] = ()
    note: Line | None = None
    updated: datetime | None = None


class Phases(Header):
    phases: tuple[Phase, ...]


class Decisions(Header):
    decisions: Annotated[int, Field(ge=0)]  # how many the log holds


class Overview(Header):
    workstreams: tuple[WorkstreamId, ...]


H = TypeVar("H", bound=Header)


def validated(model: type[H], values: dict[str, Any]) -> H:
    """A header, or a part of one, of these values. Raises WorkspaceError: it cannot hold one."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        one_line = first["type"] == "string_pattern_mismatch"
        message = "it is one line of text" if one_line else first["msg"]
        raise WorkspaceError(f"{field}: {message} ({first['input']!r})") from error


@dataclass(frozen=True)
class Record(Generic[H]):
    """One file: a header and the Markdown below it."""

    path: Path
    header: H
    body: str

    def text(self) -> str:
        fields = self.header.model_dump(mode="json")
        written = dump_yaml(fields, width=100)
        return f"---\n{written}---\n{self.body}"

    def update(self, **changes: Any) -> "Record[H]":
        """With other values in the header.

        Raises:
            WorkspaceError: a value that the header cannot hold.
        """
        header = validated(type(self.header), self.header.model_dump() | changes)
        return replace(self, header=header)

    def saying(self, body: str) -> "Record[H]":
        """With another body."""
        return replace(self, body=body)


def load(path: Path, model: type[H]) -> Record[H]:
    """Read and validate one record.

    Raises:
        WorkspaceError: the file is missing, its header is not what `model` asks for, or the marks
            of its blocks do not pair up.
    """
    text = project.read(path)
    end = text.find("\n---\n", 3)
    if not text.startswith("---\n") or end < 0:
        raise WorkspaceError(f"{path}: no YAML header between two lines of ---; {_RESTORE}")
    try:
        header = model.model_validate(parse_yaml(text[4 : end + 1]))
    except YamlError as error:
        where = f" (line {error.line + 1})" if error.line else ""
        raise WorkspaceError(
            f"{path}: the header is not valid YAML{where}: {error.message}; {_RESTORE}"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "header"
        raise WorkspaceError(f"{path}: {field}: {first['msg']}; {_RESTORE}") from error
    body = text[end + 5 :]
    try:
        blocks.names(body)
    except blocks.BlockError as error:
        line = error.line + text.count("\n", 0, end + 5)
        raise WorkspaceError(f"{path}: line {line}: {error.message}; {_RESTORE}") from error
    return Record(path, header, body)


_RESTORE = "correct it, or restore the file with git"
