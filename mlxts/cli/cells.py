"""`mlxts data cell` and `mlxts data sources`: the dataset matrix and what it is made of."""

from pathlib import Path
from typing import Annotated

import typer

from mlxts.cli.output import JsonOption, emit, note, table


def cell(
    name: Annotated[str, typer.Argument(metavar="CELL", help="Row and column, e.g. Cb.")],
    as_json: JsonOption = False,
) -> None:
    """Show what a cell of the dataset matrix needs, and what of it is here."""
    from mlxts.data import cell_status

    needs = cell_status.of(name)
    missing = [need.id for need in needs if need.artifact is None]
    if as_json:
        emit(
            {
                "cell": name,
                "missing": missing,
                "needs": [
                    {
                        "id": need.id,
                        "bars": need.bars,
                        "source": need.source,
                        "artifact": need.artifact.record() if need.artifact else None,
                    }
                    for need in needs
                ],
            }
        )
        return
    rows = [
        (
            need.id,
            "bars" if need.bars else "series",
            need.artifact.source if need.artifact else f"missing ({need.source})",
            need.artifact.rows if need.artifact else None,
            str(need.artifact.first) if need.artifact else None,
            str(need.artifact.last) if need.artifact else None,
        )
        for need in needs
    ]
    table(name, ("what", "as", "from", "rows", "first", "last"), rows)
    if missing:
        note(f"missing: {', '.join(missing)}; try `mlxts data download --cell {name}`")


def sources(
    write: Annotated[bool, typer.Option("--write", help="Write the document instead.")] = False,
    output: Annotated[Path, typer.Option(help="With --write: where to.")] = Path(
        "docs/data_sources.md"
    ),
    as_json: JsonOption = False,
) -> None:
    """List the exogenous series: source, publication lag, form; or write docs/data_sources.md."""
    from dataclasses import asdict

    from mlxts.data import document
    from mlxts.data.exogenous_catalog import SERIES, TRENDS
    from mlxts.files import write_text

    if write:
        write_text(output, document.render())
        if as_json:
            emit({"path": str(output)})
        else:
            print(output)
        return
    known = (*SERIES.values(), TRENDS)
    if as_json:
        emit({"series": [asdict(one) for one in known]})
        return
    rows = [(s.id, s.source, s.frequency, s.lag_days, s.form, s.description) for s in known]
    table("Series", ("series", "source", "frequency", "lag, days", "form", "measures"), rows)
