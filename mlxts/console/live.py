"""The live screen: drawn in place, four times a second at most."""

import threading
from typing import Self

import rich.live
from rich.console import Console, RenderableType

from mlxts.console.screen import draw
from mlxts.console.state import RunState
from mlxts.training.events import Event

REFRESH = 4  # Hz


class Live:
    """Holds the lower part of the terminal; what others print scrolls above it."""

    def __init__(self, console: Console, state: RunState | None = None) -> None:
        self._console = console
        self._state = state or RunState()
        self._lock = threading.Lock()  # rich draws from a thread of its own
        self._live = rich.live.Live(
            console=console, refresh_per_second=REFRESH, get_renderable=self._draw
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()  # leaves the last screen standing

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._state.update(event)

    def _draw(self) -> RenderableType:
        with self._lock:
            return draw(self._state, self._console.width, self._console.height)
