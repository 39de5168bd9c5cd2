"""`mlxts data cell` and `mlxts data sources`: the dataset matrix and what it is made of."""

from pathlib import Path
from typing import Annotated

import typer

from mlxts.cli.output import JsonOption, Note, render, write_document
from mlxts.tables import Column, Table


def cell(
    name: Annotated[str, typer.Argument(metavar="CELL", help="Row and column, e.g. Cb.")],
    as_json: JsonOption = False,
) -> None:
    """Show the series of a cell of the dataset matrix, and which are stored."""
    from mlxts.data import cell_status

    needs = cell_status.of(name)
    missing = [need.id for need in needs if need.artifact is None]
    artifacts = {need.id: need.artifact.to_dict() for need in needs if need.artifact}
    result = {
        "cell": name,
        "missing": missing,
        "needs": [
            {
                "id": need.id,
                "bars": need.bars,
                "source": need.source,
                "artifact": artifacts.get(need.id),
            }
            for need in needs
        ],
    }
    columns = (
        Column("id", "what"), Column("bars", "as", lambda bars: "bars" if bars else "series"),
        Column("source", "from"), "rows", "first", "last",
    )  # fmt: skip
    rows = [
        {"id": need.id, "bars": need.bars, "source": f"missing ({need.source})"}
        | artifacts.get(need.id, {})
        for need in needs
    ]
    advice = Note(f"missing: {', '.join(missing)}; try `mlxts data download --cell {name}`")
    render(result, as_json, [Table(name, columns, rows), *([advice] if missing else [])])


def sources(
    write: Annotated[bool, typer.Option("--write", help="Write the document instead.")] = False,
    output: Annotated[Path, typer.Option(help="With --write: its path.")] = Path(
        "docs/data_sources.md"
    ),
    as_json: JsonOption = False,
) -> None:
    """List the exogenous series: source, publication lag, form; or write docs/data_sources.md."""
    from dataclasses import asdict

    from mlxts.data import sources_document
    from mlxts.data.exogenous_catalog import SERIES, TRENDS

    if write:
        write_document(sources_document.render, output, as_json)
        return
    series = [asdict(series_spec) for series_spec in (*SERIES.values(), TRENDS)]
    columns = (
        Column("id", "series"), "source", "frequency", Column("lag_days", "lag, days"), "form",
        Column("description", "measures"),
    )  # fmt: skip
    render({"series": series}, as_json, Table("Series", columns, series))
