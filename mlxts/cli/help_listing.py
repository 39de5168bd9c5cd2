"""How a help page looks: whole sentences, the width that there is, and colour on a terminal."""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

WIDEST = 160  # characters; longer lines are hard to read
_WHOLE = 1000  # characters: more than any sentence has


class Group(TyperGroup):
    """Prints each command's whole summary, over several lines where needed.

    Click would cut it at the width of the terminal.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        visible = [(name, command) for name, command in named if command and not command.hidden]
        if visible:
            with formatter.section("Commands"):
                formatter.write_dl(
                    [(name, command.get_short_help_str(_WHOLE)) for name, command in visible]
                )


def use_colour(ctx: Any) -> None:
    """Let every help page of this process have colours, where it goes to a terminal.

    Rich would colour them too, but to load it takes longer than all the rest of a help page.
    """
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        type(ctx).formatter_class = _coloured(type(ctx).formatter_class)


def _coloured(plain: Any) -> Any:
    class Formatter(plain):
        def write_heading(self, heading: str) -> None:
            super().write_heading(typer.style(heading, bold=True))

        def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
            super().write_usage(typer.style(prog, fg="cyan", bold=True), args, prefix)

        def write_dl(self, rows: Any, *args: Any, **named: Any) -> None:
            styled = [(typer.style(first, fg="cyan"), second) for first, second in rows]
            super().write_dl(styled, *args, **named)

    return Formatter
