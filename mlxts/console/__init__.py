"""Progress of runs, sweeps and studies: a live screen, plain lines, or nothing.

All three listen to the events of `mlxts.training.events`; training knows none of them.

    with console.make(quiet=quiet, json=json) as report:
        run.train(plan, emit=report, ...)
"""

import os
import sys
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from mlxts.training.events import Event

if TYPE_CHECKING:
    from rich.console import Console


class Reporter(Protocol):
    """A listener that holds the terminal for the length of a run."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def __call__(self, event: Event) -> None: ...


class SilentReporter:
    """Prints nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, event: Event) -> None:
        pass


def make(stream: TextIO | None = None, *, quiet: bool = False, json: bool = False) -> Reporter:
    """The reporter that suits where its text goes.

    Args:
        stream: None: standard output, or standard error under `json`, where standard output
            belongs to one JSON object.
        quiet: print nothing at all.
    """
    if quiet:
        return SilentReporter()
    stream = stream or (sys.stderr if json else sys.stdout)
    from rich.console import Console

    # Rich decides about colour and reads NO_COLOR, TERM, TTY_COMPATIBLE and TTY_INTERACTIVE.
    screen = Console(file=stream, highlight=False)
    if can_redraw(screen, stream):
        from mlxts.console.live import LiveReporter

        return LiveReporter(screen)
    from mlxts.console.plain import PlainReporter

    return PlainReporter(stream)


def can_redraw(screen: "Console", stream: TextIO) -> bool:
    """Whether lines can be redrawn.

    FORCE_COLOR makes rich take a pipe for a terminal; this needs a real one, or TTY_INTERACTIVE=1.
    """
    is_forced = os.environ.get("TTY_INTERACTIVE") == "1"
    return (
        screen.is_interactive
        and (stream.isatty() or is_forced)
        and not screen.options.ascii_only  # braille and box lines need UTF-8
    )
