"""Commands and options that scripts rely on change only on purpose.

`make options` writes what there is into options.txt; the difference shows in the commit. An option
that goes works for one more release and warns with its new name.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlxts.cli.app import command_tree

FROZEN = Path(__file__).with_name("options.txt")


def _lines(command: Any, path: str = "mlxts") -> Iterator[str]:
    """A line for each command, argument and option: `mlxts train: --seed VALUE`."""
    yield path
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            names, value = parameter.name.upper(), ""
        else:
            names = " ".join([*parameter.opts, *parameter.secondary_opts])
            value = "" if parameter.is_flag or parameter.count else " VALUE"
        often = "..." if parameter.nargs < 0 or parameter.multiple else ""
        yield f"{path}: {names}{value}{often}{' (required)' if parameter.required else ''}"
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from _lines(below, f"{path} {name}")


def test_commands_and_options_are_those_that_were_written_down() -> None:
    there, frozen = list(_lines(command_tree())), FROZEN.read_text().splitlines()
    gone = [f"- {line}" for line in frozen if line not in there]
    new = [f"+ {line}" for line in there if line not in frozen]
    assert there == frozen, "\n".join(
        ["the command line changed; if that is meant, `make options` and commit", *gone, *new]
    )


if __name__ == "__main__":
    FROZEN.write_text("\n".join(_lines(command_tree())) + "\n")
