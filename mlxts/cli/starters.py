"""`init`, `demo`: a first folder, and a first result in it."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mlxts import formats
from mlxts.cli.output import JsonOption, Note, note, render


def init(
    folder: Annotated[Path, typer.Argument(help="Made where it is missing.")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Write configurations, sweeps and a README of commands into a folder; overwrite nothing."""
    from mlxts import starters

    written, there = starters.write(folder)
    screen = [f"{formats.count(len(written), 'file')} written to {folder.resolve()}"]
    if there:
        names = formats.listing([*there[:3], *([f"{len(there) - 3} more"] if there[3:] else [])])
        screen.append(Note(f"left as it was: {names}"))
    go = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    screen.append(Note(f"README.md has the commands; the first one: {go}mlxts demo"))
    result = {"folder": str(folder), "written": written, "left": there}
    render(result, as_json, screen)


def demo(
    context: typer.Context,
    assets: Annotated[
        bool,
        typer.Option("--data", help="Instead: a sweep over 1, 2 and 6 assets, and its report."),
    ] = False,
) -> None:
    """Train a 2M PatchTST on real S&P 500 bars and compare it with HAR and linear."""
    from mlxts import starters

    root = context.find_root().command
    for line in starters.DEMO_DATA if assets else starters.DEMO:
        note(f"$ mlxts {line}")
        status = root.main(shlex.split(line), prog_name="mlxts", standalone_mode=False)
        if status:
            raise typer.Exit(status)
