"""How commands speak: tables and notes for people, one JSON object with `--json`."""

import json
import math
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]

_WHOLE = re.compile(r"`[^`\n]*`|\[[^\]\n]*\]")
_HELD = "\x00"  # stands for a space that is no place to break a line


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

    What stands in backquotes or brackets, a command or an interval, is not broken.
    """
    if not stream.isatty():
        return message
    width = shutil.get_terminal_size().columns
    lines = []
    for line in _WHOLE.sub(lambda found: found[0].replace(" ", _HELD), message).split("\n"):
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


def emit(value: Any) -> None:
    """One JSON object on standard output; numbers that are not finite become null."""
    print(json.dumps(_finite(value), default=str, allow_nan=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; columns whose cells are all numbers are aligned to the right."""
    from rich.table import Table

    rows = [list(row) for row in rows]
    shown = Table(title=title, title_justify="left", title_style="bold")
    for index, name in enumerate(columns):
        numeric = all(isinstance(row[index], int | float) for row in rows)
        # Where a terminal is too narrow a cell goes on in the next line; nothing is cut off.
        shown.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(number(cell) for cell in row))
    console().print(shown)


def counted(count: int, noun: str) -> str:
    """`no run`, `1 run`, `2 runs`."""
    return f"{count:,} {noun}s" if count > 1 else f"{count or 'no'} {noun}"


def number(value: Any) -> str:
    """A cell as text: thousands separated, four decimals, a dash for what is not known."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "item"):  # a NumPy scalar
        return _finite(value.item())
    return value
