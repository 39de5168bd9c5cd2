"""The command line: one file a command group, each a thin shell over the room it names.

Heavy imports live inside the commands, so that `mlxts --help` answers at once.
"""

import os
import sys

_TRAINING = ("train", "batch-size", "hpo", "sweep", "worker", "evaluate", "baselines")


def main() -> None:
    """Run the command line; an error a user can cause is one line and its own exit code."""
    from mlxts import pages

    if sys.argv[1:] and sys.argv[1] in _TRAINING:
        pages.start_again()

    from mlxts.cli.app import app
    from mlxts.cli.output import note
    from mlxts.errors import MlxtsError

    try:
        app()
    except MlxtsError as error:
        note(f"error: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (`| head`) has gone; Python would complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
