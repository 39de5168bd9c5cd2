"""Options by their names of the last release: they work once more, and say their new name."""

from mlxts.cli.output import note

OPTIONS = {"--grace": "--heartbeat-timeout", "--idle-exit": "--exit-when-idle"}


def with_new_names(arguments: list[str]) -> list[str]:
    """A command line whose options have their new names; each old one is named in a note."""
    renamed = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name in OPTIONS:
            note(f"{name} is now {OPTIONS[name]}; the next release removes the old name")
        renamed.append(OPTIONS.get(name, name) + equals + value)
    return renamed
