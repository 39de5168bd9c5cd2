"""Where the project is: the folder with the rules, skills and records that people work by."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlxts import files
from mlxts.errors import WorkspaceError

CLAUDE = Path(".claude")
CONTEXT = CLAUDE / "context"
DOCS = Path("docs")
DOCS_FOLDERS = ("api", "archive", "research_paper")  # the only ones below docs/
CLAUDE_FOLDERS = ("context", "context/workstreams", "rules", "skills")


@dataclass(frozen=True, order=True)
class Problem:
    """Something about a document that is not so.

    Attributes:
        path: relative to the project, with forward slashes.
        line: from 1; 0 where the whole file is meant.
        what: one line, what to do included.
    """

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return (
            f"{self.path}:{self.line}: {self.message}"
            if self.line
            else f"{self.path}: {self.message}"
        )


def find(start: Path | None = None) -> Path | None:
    """The nearest folder, from `start` (the working folder) upwards, that is the project."""
    here = (start or Path.cwd()).resolve()
    return next((f for f in (here, *here.parents) if (f / CONTEXT).is_dir()), None)


def root() -> Path:
    """As `find`. Raises WorkspaceError where there is none."""
    folder = find()
    if folder is None:
        raise WorkspaceError(
            f"no {CONTEXT} here or above; go to the project's folder, or `mlxts workspace init` "
            "makes one here"
        )
    return folder


def documents(project: Path) -> list[Path]:
    """Every Markdown file that people read: README, CHANGELOG, docs/ and .claude/, sorted."""
    # A name that begins with a dot is being written.
    below = [p for folder in (DOCS, CLAUDE) for p in (project / folder).rglob("[!.]*.md")]
    return sorted([*project.glob("*.md"), *project.glob("mlxts/resources/*.md"), *below])


@contextmanager
def at_home(root: Path) -> Generator[None]:
    """Data and runs are those of the project for as long, unless `MLXTS_HOME` names others.

    A person hands off from any subfolder; commands that make data use the working folder.
    """
    if os.environ.get("MLXTS_HOME"):
        yield
        return
    os.environ["MLXTS_HOME"] = str(root)
    try:
        yield
    finally:
        del os.environ["MLXTS_HOME"]


def relative(path: Path, project: Path) -> str:
    return path.relative_to(project).as_posix()


def read(path: Path) -> str:
    """Raises WorkspaceError where it is missing or no text."""
    try:
        return files.read_text(path)
    except FileNotFoundError as error:
        raise WorkspaceError(f"{path} is missing; `git checkout` brings it back") from error
    except (OSError, ValueError) as error:
        raise WorkspaceError(
            f"{path} cannot be read: {files.reason(error)}; restore it with git"
        ) from error
