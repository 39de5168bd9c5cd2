"""`mlxts data controls`: the markets that can be simulated, and the document about them."""

from pathlib import Path
from typing import Annotated

import typer

from mlxts.cli.output import JsonOption, emit, table


def controls(
    write: Annotated[bool, typer.Option("--write", help="Write the document instead.")] = False,
    output: Annotated[Path, typer.Option(help="With --write: where to.")] = Path(
        "docs/controls.md"
    ),
    as_json: JsonOption = False,
) -> None:
    """List the markets that can be simulated and their dials; or write docs/controls.md."""
    from mlxts.simulation.markets import MARKETS, dials

    if write:
        from mlxts.files import write_text
        from mlxts.workspace import controls_document as document

        write_text(output, document.render())
        if as_json:
            emit({"path": str(output)})
        else:
            print(output)
        return
    known = {name: dials(name) for name in MARKETS}
    if as_json:
        emit({"markets": known})
        return
    rows = [
        (kind.control, name, kind.says, ", ".join(f"{d}={v:g}" for d, v in known[name].items()))
        for name, kind in MARKETS.items()
    ]
    table("Controls", ("control", "name", "what it shows", "dials"), rows)
