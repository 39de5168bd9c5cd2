"""How a group lists its commands on a help page."""

from typing import Any

from typer.core import TyperGroup

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
