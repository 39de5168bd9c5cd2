"""`mlxts thermal`: readings of the machine's sensors, the one a run uses, and why."""

import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts import formats, protocol
from mlxts.cli import output
from mlxts.cli.duration_options import seconds
from mlxts.cli.output import JsonOption
from mlxts.tables import Column, Row, Table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from mlxts.thermal.sensor_listing import SensorListing

Note = Callable[[dict[str, Any]], None]


def thermal(
    sensor: Annotated[
        str,
        typer.Option(help="Sensor to use: auto, off, a listed name, or scripted:FILE."),
    ] = "auto",
    once: Annotated[bool, typer.Option("--once", help="One reading, then end.")] = False,
    interval: Annotated[
        float,
        typer.Option(
            parser=seconds(0.1, 3600), metavar="SECONDS", help="Interval between readings."
        ),
    ] = 1.0,
    record: Annotated[
        Path | None,
        typer.Option(help="Write every raw sample to this file (JSON lines), until Ctrl-C."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the temperature sensors: live on a terminal, once elsewhere."""
    from mlxts.thermal.sensor_listing import SensorListing

    screen = output.console()
    live = screen.is_interactive and sys.stdout.isatty() and not (once or as_json)
    going_on = live or (record is not None and not (once or as_json))
    with SensorListing(sensor) as survey, _recording(record) as note:
        survey.read()
        note(survey.raw())
        if going_on:
            if record:
                output.note(f"recording to {record}; end with Ctrl-C")
            with contextlib.suppress(KeyboardInterrupt):
                _monitor(survey, interval, note, screen if live else None)
        if as_json:
            output.render(survey.report(), as_json, ())
        elif not live:
            screen.print(_view(survey))


def _monitor(
    survey: "SensorListing", interval: float, note: Note, screen: "Console | None"
) -> None:
    """Read again and again until Ctrl-C; draw where there is a screen."""
    from rich.live import Live

    # A shell starts background jobs with SIGINT ignored; a recording must still end by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    live = Live(console=screen, auto_refresh=False) if screen else contextlib.nullcontext()
    with live as drawing:
        while True:
            if drawing:
                drawing.update(_live_view(survey), refresh=True)
            time.sleep(interval)
            survey.read()
            note(survey.raw())


@contextlib.contextmanager
def _recording(path: Path | None) -> Generator[Note]:
    """Takes samples for a file that appears, whole, when the block ends."""
    if path is None:
        yield lambda _: None
        return
    from mlxts import files

    with files.atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        yield lambda sample: print(json.dumps(sample, default=str), file=stream, flush=True)
    output.note(f"recorded to {path}")


def _view(survey: "SensorListing") -> "RenderableType":
    from rich.console import Group

    def style(row: Row) -> str:
        return "bold" if row["rules"] else "" if row["available"] else "dim"

    columns = (
        Column("name", "sensor"), Column("cpu", "CPU", ".1f"), Column("gpu", "GPU", ".1f"),
        Column("soc", "die", ".1f"), Column("hottest", "hot", ".1f"), "probes", "pressure",
        "verdict",
    )  # fmt: skip
    rows = [vars(row) | {"probes": row.probes or None} for row in survey.rows()]
    table = Table("temperature sensors, °C", columns, rows)
    return Group(table.rich(style, width=output.console().width), survey.verdict())


def _live_view(survey: "SensorListing") -> "RenderableType":
    """The table, and below it the bands and how the temperature has changed."""
    from rich.console import Group

    return Group(_view(survey), *_trend(survey, output.console().width))


def _trend(survey: "SensorListing", width: int) -> Iterator["RenderableType"]:
    from rich.text import Text

    from mlxts.console.screen import BAND_STYLES, LABEL, REFERENCE, curve
    from mlxts.console.state import History

    bands = protocol.THERMAL
    scale = Text("bands  ")
    for name, limit in (
        ("normal", f"below {bands.acceptable:g}"), ("acceptable", f"below {bands.warning:g}"),
        ("warning", f"to {bands.critical:g}"), ("critical", f"above {bands.critical:g}"),
    ):  # fmt: skip
        style = f"{BAND_STYLES[name]} reverse" if name == survey.band else "dim"
        scale.append(f" {name} {limit} ", style=style)
    yield scale
    if not survey.trend:
        yield Text("trend   no temperature yet", style="dim")
        return
    last, now = survey.trend[-1]
    first, history = survey.trend[0][0], History()
    for at, value in survey.trend:
        history.add(at - first, value)
    change = survey.per_minute
    title = Text.assemble("trend   ", (f"{now:.1f} °C", BAND_STYLES.get(survey.band, "")))
    if change is not None:
        arrow = "↑" if change >= 0.5 else "↓" if change <= -0.5 else "→"
        title.append(f"  {arrow} {change:+.1f} °C in the last minute")
    title.append(f"  warning at {bands.warning:g} °C", style=REFERENCE)
    yield title
    yield curve(
        history, last - first, width, 4, "cyan", bands.warning, lambda value: f"{value:.0f} °C"
    )
    end = f" {formats.duration(last - first)}"
    line = "0:00 ".ljust(width - LABEL - 1 - len(end), "╌") + end
    yield Text(f"{'':{LABEL}} {line}", style="dim")
