"""`mlxts data controls`: the simulated markets, and the document about them."""

from pathlib import Path
from typing import Annotated

import typer

from mlxts.cli.output import JsonOption, render, write_document
from mlxts.tables import Table


def controls(
    write: Annotated[bool, typer.Option("--write", help="Write the document instead.")] = False,
    output: Annotated[Path, typer.Option(help="With --write: its path.")] = Path(
        "docs/controls.md"
    ),
    as_json: JsonOption = False,
) -> None:
    """List the simulated markets and their parameters, or write docs/controls.md."""
    from mlxts.simulation.markets import MARKETS, default_parameters

    if write:
        from mlxts.workspace import controls_document as document

        write_document(document.render, output, as_json)
        return
    parameters = {name: default_parameters(name) for name in MARKETS}
    rows = [
        (
            kind.control,
            name,
            kind.summary,
            ", ".join(f"{d}={v:g}" for d, v in parameters[name].items()),
        )
        for name, kind in MARKETS.items()
    ]
    headings = ("control", "name", "what it is for", "parameters")
    render({"markets": parameters}, as_json, Table.of("Controls", headings, rows))
