"""The command line: one file a command group, each a thin shell over the room it names.

Heavy imports live inside the commands, so that `mlxts --help` answers at once.
"""

import re
import sys

_TRAINING = (
    "demo",
    "train",
    "batch-size",
    "hpo",
    "sweep",
    "worker",
    "evaluate",
    "walk-forward",
    "baselines",
)


def main() -> None:
    """Run the command line; whatever ends it is at most one line and an exit code."""
    from mlxts.cli import failures

    sys.exit(failures.exit_code_of(_command))


def _command() -> None:
    from mlxts import interrupt

    interrupt.raise_again()
    from mlxts import platform
    from mlxts.platform import huge_pages

    if sys.argv[1:] and sys.argv[1] in _TRAINING:
        huge_pages.restart_process()
    platform.check_environment()
    platform.enable()
    _require_text()

    from mlxts.cli import deprecated
    from mlxts.cli.app import app

    deprecated.show_former_names()
    app()


def _require_text() -> None:
    """Files, runs and studies are named in UTF-8, here and in every file of ours; and an empty
    name is a shell's variable that is not set, which would mean the working folder, or for
    every run there is.

    Raises:
        ConfigError: an argument is empty, or not UTF-8.
    """
    from mlxts.errors import ConfigError

    for argument in sys.argv[1:]:
        if not argument or re.fullmatch("--[a-z0-9-]+=", argument):
            raise ConfigError(f"argument '{argument}' is empty; give it a value or leave it out")
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise ConfigError(f"argument {argument!r} is not UTF-8; encode it as UTF-8") from error
