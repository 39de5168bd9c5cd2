"""docs/commands.md: every command with its arguments and options, out of the command tree."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from mlxts.tables import markdown

_HEAD = """\
# Commands

Every command with its arguments and options, rendered by `mlxts docs render`;
`mlxts COMMAND --help` shows the same on a terminal. With `--json` a command prints one JSON object
and nothing else on standard output.
"""


def render(tree: Any) -> str:
    """The page. `tree`: the root command of `mlxts`."""
    return "\n".join([_HEAD, *_sections(tree, "mlxts")])


def _sections(command: Any, path: str) -> Iterator[str]:
    """A section a command, in alphabetical order; of a group those of its commands."""
    below = getattr(command, "commands", {})
    if not below:
        yield _section(command, path)
    for name, member in sorted(below.items()):
        if not member.hidden:
            yield from _sections(member, f"{path} {name}")


def _section(command: Any, path: str) -> str:
    context = typer.Context(command, info_name=path)
    usage = command.get_usage(context).removeprefix("Usage: ")
    records = [p.get_help_record(context) for p in command.get_params(context)]
    rows = [
        (f"`{name}`", _flowed(text))
        for name, text in filter(None, records)
        if not name.endswith("--help")
    ]
    parts = [f"## {path}", f"```text\n{_flowed(usage)}\n```"]
    parts += [inspect.cleandoc(command.help or "")]
    if rows:
        parts.append(markdown(("argument or option", "meaning"), rows))
    return "\n\n".join(parts) + "\n"


def _flowed(text: str) -> str:
    return " ".join(text.split())
