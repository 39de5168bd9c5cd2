"""The live screen's layout: a state, a width and a height give something rich can draw.

At 80×24 it takes at most 20 rows; a larger terminal gets taller curves and more history.
"""

import math

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mlxts import formats
from mlxts.console import event_text
from mlxts.console.event_text import BANDS, Line, Tone
from mlxts.console.sparkline import BLANK, sparkline
from mlxts.console.state import History, RunState

STYLES: dict[Tone, str] = {
    "plain": "",
    "good": "green",
    "warning": "bold yellow",
    "critical": "bold red",
}
BAND_STYLES = {
    "normal": "green",
    "acceptable": "cyan",
    "warning": "bold yellow",
    "critical": "bold red",
}
REFERENCE = "yellow"
LABEL = 8  # columns of a curve's scale
CELL = 38  # columns that one pair of the header takes


def draw(state: RunState, width: int, height: int) -> RenderableType:
    """The whole screen. `width` and `height` are the terminal's, in characters."""
    tall = height >= 40
    header_rows, curve_rows, lines = (6, 10, 8) if tall else (5, 3, 3)
    parts: list[RenderableType] = []
    if state.start and state.start.header:
        parts.append(_header(state.start.header, width, header_rows))
    parts += [
        _progress(state),
        _losses(state, width, curve_rows),
        _facts(state),
        # One short: a terminal that echoes ^C behind a full line begins another one.
        Text("─" * (width - 1), style="dim", no_wrap=True),
        *_recent(state, lines),
    ]
    return Group(*parts)


def _header(header: dict[str, str], width: int, rows: int) -> RenderableType:
    inside, gap = width - 4, 2
    most = max(1, inside // CELL)
    pairs = list(header.items())[: rows * most]
    # As many columns as show every value whole, as long as there are rows for the others.
    for columns in range(most, max(1, math.ceil(len(pairs) / rows)) - 1, -1):
        by_column = [pairs[column::columns] for column in range(columns)]
        keys = [
            min(CELL // 3, max((len(key) for key, _ in cells), default=0)) for cells in by_column
        ]
        values = [max((cell_len(value) for _, value in cells), default=0) for cells in by_column]
        room = inside - sum(keys) - gap * (2 * columns - 1)
        if sum(values) <= room:
            break
    while sum(values) > room and max(values) > 1:  # values give way, the longest first
        values[values.index(max(values))] -= 1
    grid = Table.grid(padding=(0, gap, 0, 0))
    for key, value in zip(keys, values, strict=True):
        grid.add_column(style="dim", no_wrap=True, width=key)
        grid.add_column(no_wrap=True, overflow="ellipsis", width=value)
    for first in range(0, len(pairs), columns):
        row = pairs[first : first + columns]
        grid.add_row(*(cell for pair in row for cell in pair))
    return Panel(grid, title="mlxts", title_align="left", border_style="dim")


def _progress(state: RunState) -> RenderableType:
    total = state.total_steps
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    waiting = state.compiling and not state.stop
    bar = ProgressBar(
        total=total or 1,
        completed=state.step,
        pulse=waiting,
        complete_style="cyan",
        finished_style="green",
        pulse_style="cyan",
    )
    figures = Text(f"{state.step:,}")
    if total:
        figures = Text(f"{state.step:,}/{total:,} {state.step / total:4.0%}")
    figures.append(f"  {formats.duration(state.throughput.elapsed)}", style="dim")
    if not state.stop and not waiting:
        figures.append(f"  ETA {formats.duration(state.seconds_left)}")
    grid.add_row(_status(state), bar, figures)
    return grid


def _status(state: RunState) -> Text:
    if state.stop:
        return Text(state.stop.reason.replace("_", " "), style="bold")
    if state.paused:
        return Text("paused, cooling down", style=STYLES["warning"])
    if state.compiling:
        return Text("compiling kernels (once)", style="cyan")
    if state.epoch is None or state.start is None:
        return Text("starting", style="dim")
    return Text(f"epoch {state.epoch}/{state.start.epochs}", style="bold")


def _losses(state: RunState, width: int, rows: int) -> RenderableType:
    """Training to the left, validation and the reference to the right, over the same steps."""
    left = (width - 2) * 3 // 7
    right = width - 2 - left
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=left, no_wrap=True, overflow="ellipsis")
    grid.add_column(width=right, no_wrap=True, overflow="ellipsis")
    train = Text.assemble("train ", (formats.loss(state.train_loss), "bold cyan"))
    grid.add_row(train.append("  smoothed", style="dim"), _validation_title(state, right))
    level = state.reference.loss if state.reference else None
    grid.add_row(
        _curve(state.train, state.step, left, rows, "cyan"),
        _curve(state.validations, state.step, right, rows, "magenta", level),
    )
    grid.add_row(_axis(state.step, left), _axis(state.step, right))
    return grid


def _validation_title(state: RunState, width: int) -> Text:
    event, reference = state.validation, state.reference
    title = Text("validation ")
    title.append(formats.loss(event.loss if event else None), style="bold magenta")
    if event:
        title.append(" best ")
        title.append(formats.loss(event.best), style="bold green")
    named = Text(style=REFERENCE)
    if reference:
        name = event_text.reference_name(reference.name)
        named.append(f" {name} {formats.loss(reference.loss)}")
    step = f" at {state.best_step:,}" if event and state.best_step is not None else ""
    if len(title) + len(step) + len(named) <= width:
        title.append(step, style="dim")
    return title.append(named)


def _curve(
    history: History, last: int, width: int, rows: int, style: str, level: float | None = None
) -> Text:
    """The curve with the two ends of its scale next to it, and a line at `level`."""
    columns = max(1, width - LABEL - 1)
    points = history.over(last, 2 * columns)
    finite = [point for point in (*points, *([level] if level else [])) if math.isfinite(point)]
    ends = (min(finite), max(finite)) if finite else (0.0, 0.0)
    lines = sparkline(points, columns, rows, ends)
    dashed = [] if level is None else [level, math.nan] * columns
    dashes = sparkline(dashed, columns, rows, ends)
    marks = [""] * rows
    if finite and rows > 1:
        marks[0], marks[-1] = formats.loss(ends[1]), formats.loss(ends[0])
    text = Text(no_wrap=True)
    for index, (mark, line, dash) in enumerate(zip(marks, lines, dashes, strict=True)):
        text.append(f"{mark:>{LABEL}} ", style="dim")
        for dots, under in zip(line, dash, strict=True):
            both = chr(ord(dots) | ord(under))  # braille: a bit a dot
            text.append(both, style=REFERENCE if dots == BLANK else style)
        text.append("\n" if index < rows - 1 else "")
    return text


def _axis(last: int, width: int) -> Text:
    """From the first step to the last one so far."""
    columns = max(1, width - LABEL - 1)
    end = f" {last:,}"
    line = "0 step ".ljust(columns - len(end), "╌") + end
    return Text(f"{'':{LABEL}} {line[:columns]}", style="dim", no_wrap=True)


def _facts(state: RunState) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", no_wrap=True, min_width=len("temperature"))
    grid.add_column(no_wrap=True, overflow="ellipsis")
    step, measured = state.last, state.throughput
    throughput = formats.rate(measured.samples_per_second)
    if measured.step_seconds is not None:
        throughput += f" · {formats.short_time(measured.step_seconds)}/step"
    if step:
        throughput += f" · lr {step.learning_rate:.1e} · grad norm {step.grad_norm:.2f}"
    grid.add_row("throughput", throughput)
    grid.add_row("memory", _memory(step.memory if step else {}))
    grid.add_row("temperature", _temperature(state))
    return grid


def _memory(memory: dict[str, int]) -> str:
    mlx = [
        f"{formats.size(memory[key])} {key}" for key in ("active", "peak", "cache") if key in memory
    ]
    parts = [f"MLX {' · '.join(mlx)}"] if mlx else []
    if "process" in memory:
        parts.append(f"process {formats.size(memory['process'])}")
    return " · ".join(parts) or "–"


def _temperature(state: RunState) -> Text:
    event = state.thermal
    text = Text(no_wrap=True)
    if event and event.band in BANDS:
        text.append(f" {event.band.upper()} ", style=f"{BAND_STYLES[event.band]} reverse")
        text.append(" ")
    style = BAND_STYLES.get(event.band, "dim") if event else "dim"
    return text.append(event_text.temperature(event), style=style)


def _recent(state: RunState, lines: int) -> list[Text]:
    return [_line(at, line) for at, line in list(state.recent)[-lines:]]


def _line(at: str, line: Line) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    return text.append(f"{at} ", style="dim").append(line.text, style=STYLES[line.tone])
