"""Names of the last release: they still work, with a warning that gives the new name."""

import warnings
from typing import TextIO

from mlxts.cli.output import note
from mlxts.errors import ConfigError, FormerNameWarning

OPTIONS = {
    "--grace": "--heartbeat-timeout",
    "--idle-exit": "--exit-when-idle",
    "--origins": "--windows",
    "--tuned": "--ignore-setting",
    "--every-asset": "--all-assets",
    "--every-tier": "--all-tiers",
}
VALUES = {("--split", "foreseen"): "walk-forward", ("--axis", "samples"): "history"}
COMMANDS = {
    ("targets", "table"): ("base-rates",),
    ("track", "export"): ("export",),
    ("verify",): ("check",),
    ("data", "verify"): ("check", "data"),
    ("docs", "check"): ("check", "docs"),
}


def with_new_names(arguments: list[str]) -> list[str]:
    """A command line under the names of today; each former one is named in a note.

    Raises:
        ConfigError: an option is given under both of its names.
    """
    renamed = _command(arguments)
    names = [argument.partition("=")[0] for argument in arguments]
    for old, new in OPTIONS.items():
        if old in names:
            if new in names:
                raise ConfigError(f"{old} is the former name of {new}; give {new} alone")
            if old != "--origins":  # part of its command's warning
                _warn(old, new)
            renamed = [_replaced(argument, old, new) for argument in renamed]
    for (option, old), new in VALUES.items():
        for place, argument in enumerate(renamed):
            apart = argument == old and place and renamed[place - 1] == option
            if apart or argument == f"{option}={old}":
                _warn(f"{option} {old}", f"{option} {new}")
                renamed[place] = argument.removesuffix(old) + new
    return renamed


def _command(arguments: list[str]) -> list[str]:
    walks = any(argument.partition("=")[0] == "--origins" for argument in arguments)
    if walks and arguments[0] == "evaluate":
        _warn("evaluate --origins", "walk-forward --windows")
        return ["walk-forward", *arguments[1:]]
    for old, new in COMMANDS.items():
        if tuple(arguments[: len(old)]) == old:
            _warn(" ".join(old), " ".join(new))
            return [*new, *arguments[len(old) :]]
    return list(arguments)


def _replaced(argument: str, old: str, new: str) -> str:
    name, equals, value = argument.partition("=")
    return new + equals + value if name == old else argument


def _warn(old: str, new: str) -> None:
    note(f"{old} is now {new}; the next release removes the former name")


def show_former_names() -> None:
    """Print warnings on former keys in a line of their own, without a place in the code."""
    others, shown_messages = warnings.showwarning, set[str]()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, FormerNameWarning):
            if str(message) not in shown_messages:  # a file may be read more than once
                shown_messages.add(str(message))
                note(str(message))
        else:
            others(message, category, filename, lineno, file, line)

    warnings.showwarning = show  # ty: ignore[invalid-assignment]
