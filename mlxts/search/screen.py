"""A study on the terminal: a live screen, plain lines for pipes, or nothing."""

import contextlib
import sys
import threading
from typing import Self, TextIO

import optuna
import rich.live
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mlxts import console
from mlxts.console import words
from mlxts.console.screen import STYLES
from mlxts.console.sparkline import binned, sparkline
from mlxts.search import study
from mlxts.search.progress import Current, Progress, parameters
from mlxts.search.space import Values
from mlxts.training.events import Event
from mlxts.training.plan import Plan

REFRESH = 4  # Hz


class Reporter(study.Watcher):
    """A watcher that holds the terminal for the length of a session. This one is silent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def make(stream: TextIO | None = None, *, quiet: bool = False, json: bool = False) -> Reporter:
    """The reporter that suits where its text goes, as `console.make` chooses."""
    if quiet:
        return Reporter()
    stream = stream or (sys.stderr if json else sys.stdout)
    terminal = Console(file=stream, highlight=False)
    return Live(terminal) if console.can_redraw(terminal, stream) else Plain(stream)


class Live(Reporter):
    """Drawn in place, four times a second at most."""

    def __init__(self, terminal: Console, progress: Progress | None = None) -> None:
        self._terminal, self._progress = terminal, progress or Progress()
        self._lock = threading.Lock()  # rich draws from a thread of its own
        self._live = rich.live.Live(
            console=terminal, refresh_per_second=REFRESH, get_renderable=self._draw
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()  # leaves the last screen standing

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._progress(event)

    def began(self, trial: optuna.Trial, values: Values, plan: Plan | None) -> None:
        with self._lock:
            self._progress.began(trial, values, plan)

    def ended(self, study: optuna.Study) -> None:
        with self._lock:
            self._progress.ended(study)

    def _draw(self) -> RenderableType:
        with self._lock:
            return draw(self._progress, self._terminal.width)


class Plain(Reporter):
    """A line when a trial begins, one when it is over, and one for each alarm."""

    def __init__(self, stream: TextIO, progress: Progress | None = None) -> None:
        self._stream, self._progress = stream, progress or Progress()
        self._lines = 0

    def __call__(self, event: Event) -> None:
        self._progress(event)
        self._tell()

    def began(self, trial: optuna.Trial, values: Values, plan: Plan | None) -> None:
        self._progress.began(trial, values, plan)
        if plan:
            self._write(f"trial {trial.number} begins: {parameters(values)}")

    def ended(self, study: optuna.Study) -> None:
        self._progress.ended(study)
        self._tell()

    def _tell(self) -> None:
        while self._progress.recent:
            _, line = self._progress.recent.popleft()
            self._write(f"{line.text} · {_standing(self._progress)}")

    def _write(self, text: str) -> None:
        # The reader (`| head`) may go while the study has hours of work to do: go on in silence.
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(f"[{words.duration(self._progress.elapsed)}] {text}\n")
            self._stream.flush()


def draw(progress: Progress, width: int) -> RenderableType:
    """The whole screen, at most 20 rows of `width` characters."""
    parts: list[RenderableType] = [
        Text(f"mlxts · {progress.name}", style="bold", no_wrap=True, overflow="ellipsis"),
        _bar(progress),
        Text(),
        *_best(progress, width),
        Text(),
        *_now(progress.current),
        Text(f"heat   {words.temperature(progress.thermal)}", style="dim", no_wrap=True),
        # One short: a terminal that echoes ^C behind a full line begins another one.
        Text("─" * (width - 1), style="dim", no_wrap=True),
    ]
    for at, line in list(progress.recent)[-5:]:
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{at} ", style="dim").append(line.text, style=STYLES[line.tone])
        parts.append(text)
    return Group(*parts)


def _bar(progress: Progress) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(
        total=progress.target or 1,
        completed=progress.counts.ended,
        complete_style="cyan",
        finished_style="green",
    )
    times = Text(words.duration(progress.elapsed), style="dim")
    times.append(f"  left {words.duration(progress.seconds_left)}")
    grid.add_row(Text(_tally(progress)), bar, times)
    return grid


def _best(progress: Progress, width: int) -> list[RenderableType]:
    leader = progress.best
    if leader is None:
        return [Text("best   none yet", style="dim")]
    title = Text("best   ")
    title.append(words.loss(leader.value), style="bold green")
    title.append(f"  trial {leader.number}", style="dim")
    if "n_total" in leader.user_attrs:
        title.append(f" · {leader.user_attrs['n_total']:,} parameters", style="dim")
    columns = max(1, min(width - 17, 60))
    points = binned(progress.bests, 2 * columns)
    top, bottom = words.loss(max(progress.bests)), words.loss(min(progress.bests))
    curve = []
    for mark, row in zip((top, "", bottom), sparkline(points, columns, 3), strict=True):
        line = Text(f"       {mark:>8} ", style="dim", no_wrap=True)
        curve.append(line.append(row, style="green"))
    return [title, Text(f"       {parameters(leader.params)}", overflow="fold"), *curve]


def _now(current: Current | None) -> list[RenderableType]:
    if current is None:
        return [Text("now    between two trials", style="dim")]
    share = current.step / current.total_steps if current.total_steps else 0.0
    text = f"now    trial {current.number} · epoch {current.epoch + 1}/{current.epochs} · "
    text += f"step {current.step:,}/{current.total_steps:,} {share:.0%} · "
    text += f"validation {words.loss(current.loss)}"
    return [Text(text, no_wrap=True), Text(f"       {parameters(current.values)}", overflow="fold")]


def _tally(progress: Progress) -> str:
    counts = progress.counts
    named = (
        (counts.done, "done"),
        (counts.running, "running"),
        (counts.pruned, "pruned"),
        (counts.waiting, "waiting"),
        (counts.failed, "failed"),
    )
    shown = [f"{count} {name}" for count, name in named if count or name in ("done", "pruned")]
    return f"{counts.ended}/{progress.target} trials · " + " · ".join(shown)


def _standing(progress: Progress) -> str:
    text = _tally(progress)
    if progress.best:
        text += f" · best {words.loss(progress.best.value)} (trial {progress.best.number})"
    text += f" · left {words.duration(progress.seconds_left)}"
    return f"{text} · heat {words.temperature(progress.thermal)}"
