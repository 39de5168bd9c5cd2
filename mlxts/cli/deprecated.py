"""Names of the last release: they work once more, and say the new name."""

import warnings
from typing import TextIO

from mlxts.cli.output import note
from mlxts.errors import FormerNameWarning

OPTIONS = {"--grace": "--heartbeat-timeout", "--idle-exit": "--exit-when-idle"}


def with_new_names(arguments: list[str]) -> list[str]:
    """A command line whose options have their new names; each old one is named in a note."""
    renamed = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name in OPTIONS:
            note(f"{name} is called {OPTIONS[name]} now; the old name goes with the next release")
        renamed.append(OPTIONS.get(name, name) + equals + value)
    return renamed


def show_former_names() -> None:
    """Have keys by their former names told in a line of their own, without a place in the code."""
    others = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, FormerNameWarning):
            note(str(message))
        else:
            others(message, category, filename, lineno, file, line)

    warnings.showwarning = show  # ty: ignore[invalid-assignment]
