"""Output of commands: tables and notes for people, one JSON object with `--json`."""

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from mlxts.files import SCHEMA, finite, write_text
from mlxts.tables import Table

if TYPE_CHECKING:
    from rich.console import Console

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]


class Note(str):
    """A line for the person at the terminal, kept off standard output."""


class Verbatim(str):
    """A text whose lines stay as they are, however narrow the terminal."""


@dataclass(frozen=True)
class Drawn:
    """Something that rich draws by itself."""

    renderable: Any


Part = Table | Note | Verbatim | Drawn | str | Path

_WHOLE = re.compile(r"`[^`\n]*`|\[[^\]\n]*\]")
_HELD = "\x00"  # a space at which a line is not broken


def console() -> "Console":
    """Where tables go. Rich honours NO_COLOR and a missing terminal by itself."""
    from rich.console import Console

    return Console(highlight=False)


def say(message: str) -> None:
    """A sentence of the result, on standard output."""
    print(fitted(message, sys.stdout))


def note(message: str) -> None:
    """A line for the person at the terminal, kept off standard output."""
    print(fitted(message, sys.stderr), file=sys.stderr)


def fitted(message: str, stream: TextIO) -> str:
    """Broken between words where the stream is a terminal; else as it is, one line a sentence.

    Text in backquotes or brackets, a command or an interval, is not broken.
    """
    if not stream.isatty():
        return message
    width = shutil.get_terminal_size().columns
    lines = []
    for line in _WHOLE.sub(lambda match: match[0].replace(" ", _HELD), message).split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        broken = textwrap.wrap(
            line,
            width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines.extend(broken or [""])
    return "\n".join(lines).replace(_HELD, " ")


def render(result: Mapping[str, Any], as_json: bool, screen: Part | Iterable[Part]) -> None:
    """Print a command's result: one JSON object, or what is made of the same result for people.

    Args:
        result: of dicts, lists, numbers and texts; numbers that are not finite become null, and
            the version of its keys comes first, under `schema`.
        screen: see `show`; not used with JSON.
    """
    if as_json:
        print(json.dumps(finite({"schema": SCHEMA, **result}), default=str, allow_nan=False))
    else:
        show(screen)


def show(screen: Part | Iterable[Part]) -> None:
    """Print tables, sentences, paths and notes in their order."""
    for part in [screen] if isinstance(screen, Part) else screen:
        match part:
            case Table():
                terminal = console()
                terminal.print(part.rich(width=terminal.width))
            case Drawn():
                console().print(part.renderable)
            case Note():
                note(part)
            case Path() | Verbatim():
                print(part)
            case _:
                say(part)


@contextmanager
def progress(verb: str) -> Generator[Callable[[str], None]]:
    """Names each file on the terminal, on one line that is overwritten; silent elsewhere."""
    terminal = sys.stderr.isatty()

    def write(text: str) -> None:
        if terminal:
            print(f"\x1b[2K{text}", end="\r", file=sys.stderr, flush=True)

    try:
        yield lambda path: write(f"{verb} {path}")
    finally:
        write("")  # what comes next has the line to itself


def write_document(text: Callable[[], str], path: Path, as_json: bool) -> None:
    """Write a generated document and print its path. Raises StorageError."""
    write_text(path, text())
    render({"path": str(path)}, as_json, path)
