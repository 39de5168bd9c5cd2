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

_ALWAYS = ("done",)  # counts that are shown even if 0
MOST_WORKERS = 6  # whose lines are shown


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
    """The whole screen: at most 20 rows on a terminal of 24, more lines of news on a larger one."""
    study, current = progress.study, progress.current
    parts: list[RenderableType] = [
        Text(f"mlxts · {study.name}", style="bold", no_wrap=True, overflow="ellipsis"),
        _bar(progress),
        Text(_states(study), style="dim", no_wrap=True, overflow="ellipsis"),
        *([_outcomes(study)] if study.outcomes else []),
        *(_best(study, width) if study.noun == "trial" else []),
        *_workers(progress),
        *_parameters(study, current, width),
        Text(f"temperature {event_text.temperature(progress.thermal)}", style="dim", no_wrap=True),
        # One short: a terminal that echoes ^C behind a full line begins another one.
        Text("─" * (width - 1), style="dim", no_wrap=True),
    ]
    news = 4 if height < 40 else 16
    for at, line in list(progress.recent)[-news:]:
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
    study = progress.study
    times = Text(f"{study.n_ended / max(1, study.target):.0%}  ")
    times.append(formats.duration(progress.elapsed), style="dim")
    times.append(f"  ETA {formats.duration(study.seconds_left)}")
    grid.add_row(Text(_ended(study), style="bold"), bar, times)
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
    return [title, *curve]


def _workers(progress: StudyProgress) -> list[RenderableType]:
    """A line for each: this process's training, then what others report."""
    current, others = progress.current, progress.study.running
    lines: list[RenderableType] = [_now(current)]
    for one in others[:MOST_WORKERS]:
        if current is None or one.number != current.number:
            taking = (progress.now() - one.since).total_seconds() if one.since else None
            text = f"       {one.label} · {one.host} · for {formats.duration(taking)}"
            lines.append(Text(text, style="dim", no_wrap=True, overflow="ellipsis"))
    return lines


def _now(current: CurrentTrial | None) -> Text:
    if current is None:
        return Text("now    between two trials", style="dim")
    run, start = current.run, current.run.start
    total, epochs = (start.total_steps, start.epochs) if start else (0, 0)
    best = run.validation.best if run.validation else None
    text = f"now    {current.label or f'trial {current.number}'} · epoch {run.epoch or 1}/{epochs} "
    text += f"· {run.step / max(1, total):.0%} · validation {formats.loss(best)}"
    return Text(text, no_wrap=True, overflow="ellipsis")


def _parameters(
    study: StudySnapshot, current: CurrentTrial | None, width: int
) -> list[RenderableType]:
    """The best trial's values beside those of the current one, in as few rows as fit."""
    best = study.best.parameters if study.best else {}
    now = current.parameters if current else {}
    names = list(dict.fromkeys([*best, *now]))
    if not names:
        return []
    cells = [(name, _value(best.get(name)), _value(now.get(name))) for name in names]
    headings = ("parameter", "best", "now")
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    blocks = max(1, min((width - 7) // (sum(widths) + 8), len(cells)))
    rows = -(-len(cells) // blocks)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=5)
    for _ in range(blocks):
        grid.add_column(style="dim", no_wrap=True, width=widths[0])
        grid.add_column(justify="right", style="green", no_wrap=True, width=widths[1])
        grid.add_column(justify="right", no_wrap=True, width=widths[2] + 2)
    grid.add_row("", *(Text(heading, style="dim") for heading in headings * blocks))
    for first in range(rows):
        grid.add_row("", *(cell for triple in cells[first::rows] for cell in triple))
    return [grid]


def _value(value: float | None) -> str:
    return formats.number(value, ".3g")


def _outcomes(study: StudySnapshot) -> Text:
    """Finished runs, folded to how many had which verdict."""
    counts = " · ".join(f"{count} {verdict}" for verdict, count in study.outcomes.items())
    return Text(counts, style="dim", no_wrap=True, overflow="ellipsis")


def _ended(study: StudySnapshot) -> str:
    return f"{study.n_ended}/{study.target} {study.noun}s"


def _states(study: StudySnapshot) -> str:
    return " · ".join(f"{n} {state}" for state, n in study.counts.items() if n or state in _ALWAYS)


def _summary(progress: StudyProgress) -> str:
    study = progress.study
    best = (
        f" · best {formats.loss(study.best.value)} (trial {study.best.number})"
        if study.best
        else ""
    )
    eta = formats.duration(study.seconds_left)
    temperature = event_text.temperature(progress.thermal)
    return f"{_ended(study)} · {_states(study)}{best} · ETA {eta} · temperature {temperature}"
