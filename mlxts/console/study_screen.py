"""A study on the terminal: a live screen, plain lines for pipes, or nothing."""

import contextlib
import sys
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mlxts import console, formats
from mlxts.console import event_text
from mlxts.console.live import LiveReporter
from mlxts.console.screen import STYLES
from mlxts.console.sparkline import binned, sparkline
from mlxts.console.study_progress import CurrentTrial, StudyProgress, StudySnapshot, spelled
from mlxts.training.events import Event

_ALWAYS = ("done", "pruned")  # counts that are shown even if 0


class StudyReporter(console.SilentReporter):
    """Holds the terminal for the length of a session. This one is silent."""

    def begin(self, study: StudySnapshot, trial: CurrentTrial) -> None:
        """A trial of this process is about to train."""

    def end(self, study: StudySnapshot) -> None:
        """A trial of this process is over, or another process may have changed the study."""


def make(stream: TextIO | None = None, *, quiet: bool = False, json: bool = False) -> StudyReporter:
    """The reporter that suits where its text goes, as `console.make` chooses."""
    if quiet:
        return StudyReporter()
    stream = stream or (sys.stderr if json else sys.stdout)
    terminal = Console(file=stream, highlight=False)
    return LiveStudy(terminal) if console.can_redraw(terminal, stream) else PlainStudy(stream)


class LiveStudy(LiveReporter, StudyReporter):
    """Drawn in place."""

    def __init__(self, terminal: Console) -> None:
        super().__init__(terminal, StudyProgress(), draw)

    def begin(self, study: StudySnapshot, trial: CurrentTrial) -> None:
        with self.lock:
            self.state.begin(study, trial)

    def end(self, study: StudySnapshot) -> None:
        with self.lock:
            self.state.end(study)


class PlainStudy(StudyReporter):
    """A line when a trial begins, one when it is over, and one for each alarm."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._progress = stream, StudyProgress()

    def __call__(self, event: Event) -> None:
        self._progress.update(event)
        self._write_recent()

    def begin(self, study: StudySnapshot, trial: CurrentTrial) -> None:
        self._progress.begin(study, trial)
        self._write_recent()
        self._write(f"trial {trial.number} begins: {spelled(trial.parameters)}")

    def end(self, study: StudySnapshot) -> None:
        self._progress.end(study)
        self._write_recent()

    def _write_recent(self) -> None:
        while self._progress.recent:
            _, line = self._progress.recent.popleft()
            self._write(f"{line.text} · {_summary(self._progress)}")

    def _write(self, text: str) -> None:
        # The reader (`| head`) may go while the study has hours of work to do: go on in silence.
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(f"[{formats.duration(self._progress.elapsed)}] {text}\n")
            self._stream.flush()


def draw(progress: StudyProgress, width: int, height: int) -> RenderableType:
    """The whole screen, at most 20 rows of `width` characters, whatever the height."""
    parts: list[RenderableType] = [
        Text(f"mlxts · {progress.study.name}", style="bold", no_wrap=True, overflow="ellipsis"),
        _bar(progress),
        Text(),
        *_best(progress.study, width),
        Text(),
        *_now(progress.current),
        Text(f"temperature {event_text.temperature(progress.thermal)}", style="dim", no_wrap=True),
        # One short: a terminal that echoes ^C behind a full line begins another one.
        Text("─" * (width - 1), style="dim", no_wrap=True),
    ]
    for at, line in list(progress.recent)[-5:]:
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{at} ", style="dim").append(line.text, style=STYLES[line.tone])
        parts.append(text)
    return Group(*parts)


def _bar(progress: StudyProgress) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(
        total=progress.study.target or 1,
        completed=progress.study.n_ended,
        complete_style="cyan",
        finished_style="green",
    )
    times = Text(formats.duration(progress.elapsed), style="dim")
    times.append(f"  ETA {formats.duration(progress.study.seconds_left)}")
    grid.add_row(Text(_counts(progress.study)), bar, times)
    return grid


def _best(study: StudySnapshot, width: int) -> list[RenderableType]:
    best = study.best
    if best is None:
        return [Text("best   none yet", style="dim")]
    title = Text("best   ")
    title.append(formats.loss(best.value), style="bold green")
    title.append(f"  trial {best.number}", style="dim")
    if best.n_total is not None:
        title.append(f" · {best.n_total:,} parameters", style="dim")
    columns = max(1, min(width - 17, 60))
    points = binned(study.best_values, 2 * columns)
    top, bottom = formats.loss(max(study.best_values)), formats.loss(min(study.best_values))
    curve = []
    for mark, row in zip((top, "", bottom), sparkline(points, columns, 3), strict=True):
        line = Text(f"       {mark:>8} ", style="dim", no_wrap=True)
        curve.append(line.append(row, style="green"))
    return [title, Text(f"       {spelled(best.parameters)}", overflow="fold"), *curve]


def _now(current: CurrentTrial | None) -> list[RenderableType]:
    if current is None:
        return [Text("now    between two trials", style="dim")]
    run, start = current.run, current.run.start
    total, epochs = (start.total_steps, start.epochs) if start else (0, 0)
    best = run.validation.best if run.validation else None
    text = f"now    trial {current.number} · epoch {run.epoch or 1}/{epochs} · "
    text += f"step {run.step:,}/{total:,} {run.step / max(1, total):.0%} · "
    text += f"validation {formats.loss(best)}"
    return [
        Text(text, no_wrap=True),
        Text(f"       {spelled(current.parameters)}", overflow="fold"),
    ]


def _counts(study: StudySnapshot) -> str:
    state_counts = [f"{n} {state}" for state, n in study.counts.items() if n or state in _ALWAYS]
    return f"{study.n_ended}/{study.target} trials · " + " · ".join(state_counts)


def _summary(progress: StudyProgress) -> str:
    study = progress.study
    best = (
        f" · best {formats.loss(study.best.value)} (trial {study.best.number})"
        if study.best
        else ""
    )
    eta = formats.duration(study.seconds_left)
    temperature = event_text.temperature(progress.thermal)
    return f"{_counts(study)}{best} · ETA {eta} · temperature {temperature}"
