"""Ctrl-C while the command line is still being loaded, which takes a moment, and nothing runs yet.

Python would print where in which import it was. So from the first line of the package until the
command begins, the signal ends the process at once; a program that imports the package as a library
keeps its own way.
"""

# What `signal` is made of, without the enumerations that take a while to load.
import _signal  # ty: ignore[import-not-found]
import os
import sys

INTERRUPTED = 130  # as `protocol.EXIT_INTERRUPTED`, which is not loaded yet


def end_at_once() -> None:
    """Let Ctrl-C end this process silently, if it is the command line."""
    if _is_command_line() and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _end)


def raise_again() -> None:
    """Let Ctrl-C be a KeyboardInterrupt again, where `end_at_once` changed that."""
    if _signal.getsignal(_signal.SIGINT) is _end:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def _is_command_line() -> bool:
    """Whether this is the console script, or `python -m mlxts`, whose name is not known yet."""
    first = sys.argv[0] if sys.argv else ""
    by_module = first == "-m" and ("-m", "mlxts") in zip(
        sys.orig_argv, sys.orig_argv[1:], strict=False
    )
    return by_module or os.path.basename(first) == "mlxts"  # noqa: PTH119 - pathlib takes longer


def _end(*_: object) -> None:
    os._exit(INTERRUPTED)
