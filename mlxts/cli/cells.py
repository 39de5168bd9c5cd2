"""`mlxts data cell` and `mlxts data sources`: the dataset matrix and what it is made of."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts.cli.output import JsonOption, Note, render, write_document
from mlxts.formats import UNKNOWN
from mlxts.tables import Column, Table

if TYPE_CHECKING:
    from mlxts.data.cell_status import Requirement


def cell(
    name: Annotated[str, typer.Argument(metavar="CELL", help="Row and column, e.g. Cb.")],
    as_json: JsonOption = False,
) -> None:
    """Show the series of a cell of the dataset matrix, and which are stored."""
    from mlxts import protocol
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
                "coverage": need.coverage,
            }
            for need in needs
        ],
        "decisions": _decisions(name),
    }
    columns = (
        Column("id", "what"), "known", Column("source", "from"), "rows",
        ("first", "last"),
    )  # fmt: skip
    rows = [
        {"id": need.id, "known": _known(need), "source": f"missing ({need.source})"}
        | artifacts.get(need.id, {})
        for need in needs
    ]
    advice = Note(f"missing: {', '.join(missing)}; try `mlxts data download --cell {name}`")
    parts = [Table(name, columns, rows), *([advice] if missing else [])]
    if result["decisions"]:
        titles = (
            Column("timescale", "bars"),
            Column("days", "decisions"),
            "without",
            Column("share", form=".1%"),
        )
        title = f"Training days of {protocol.SCORED_ON} with a decision, and without one"
        parts.append(Table(title, titles, result["decisions"]))
        parts.append(
            Note(
                f"Known: share of the training days of {protocol.SCORED_ON} on which a value of "
                "a series was known; before that its features are 0. Without: days whose window "
                f"of {protocol.FIXED.context} bars holds one that spans more than twice its "
                "timescale's sessions; they leave training and scoring."
            )
        )
    render(result, as_json, parts)


def _known(need: "Requirement") -> str:
    if need.bars:
        return "bars"
    return UNKNOWN if need.coverage is None else f"{need.coverage:.1%}"


def _decisions(name: str) -> list[dict[str, Any]]:
    """At each timescale, how many training days of the scored symbol end a window."""
    import numpy as np

    from mlxts import protocol
    from mlxts.data import bars, cell_status
    from mlxts.dataset.samples import decisions

    daily = cell_status.training_days(name)
    if daily is None:
        return []
    rows = []
    for scale in protocol.TIMESCALES.values():
        made = bars.build(daily.select(bars.COLUMNS), scale)
        whole = np.full(made.height, True)
        taken, without = (
            int(n.sum()) for n in decisions(made, whole, scale, protocol.FIXED.context)
        )
        share = without / max(taken + without, 1)
        rows.append({"timescale": scale.name, "days": taken, "without": without, "share": share})
    return rows


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
        Column("id", "series"), ("source", "frequency"), Column("lag_days", "lag, days"), "form",
        Column("description", "measures"),
    )  # fmt: skip
    render({"series": series}, as_json, Table("Series", columns, series))
