"""The command line: one file a command group, each a thin shell over the room it names.

Heavy imports live inside the commands, so that `mlxts --help` answers at once.
"""

import sys

_TRAINING = ("train", "batch-size", "hpo", "sweep", "worker", "evaluate", "baselines")


def main() -> None:
    """Run the command line; whatever ends it is at most one line and an exit code."""
    from mlxts.cli import failures

    sys.exit(failures.exit_code_of(_command))


def _command() -> None:
    from mlxts import backend, pages

    if sys.argv[1:] and sys.argv[1] in _TRAINING:
        pages.start_again()
    backend.check_environment()

    from mlxts.cli.app import app

    app()
