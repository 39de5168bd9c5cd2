"""The live screen: drawn in place, four times a second at most."""

import threading
from collections.abc import Callable
from typing import Any, Self

import rich.live
from rich.console import Console, RenderableType

from mlxts.console.screen import draw
from mlxts.console.state import RunState
from mlxts.training.events import Event

REFRESH = 4  # Hz


class LiveReporter:
    """Holds the lower part of the terminal; what others print scrolls above it."""

    def __init__(
        self, console: Console, state: Any = None, draw: Callable[..., RenderableType] = draw
    ) -> None:
        """
        Args:
            state: of a run, or whatever has `update(event)` and is drawn by `draw`.
            draw: gives the screen of a state in so many columns and rows.
        """
        self._console, self._draw = console, draw
        self.state: Any = state or RunState()
        self.lock = threading.Lock()  # rich draws from a thread of its own
        self._live = rich.live.Live(
            console=console, refresh_per_second=REFRESH, get_renderable=self._screen
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()  # leaves the last screen standing

    def __call__(self, event: Event) -> None:
        with self.lock:
            self.state.update(event)

    def _screen(self) -> RenderableType:
        with self.lock:
            return self._draw(self.state, self._console.width, self._console.height)
