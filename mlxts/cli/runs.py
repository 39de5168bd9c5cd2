"""`runs`: what there is under outputs/runs, and what it reached."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from mlxts import formats
from mlxts.cli.output import JsonOption, Note, Part, render
from mlxts.tables import Column, Row, Table


class Order(StrEnum):
    date = "date"
    run = "run"
    loss = "loss"
    difference = "difference"
    parameters = "parameters"


def runs(
    sort: Annotated[
        Order,
        typer.Option(help="date: newest first; else the smallest first, e.g. the best difference."),
    ] = Order.date,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="KEY=TEXT", help="e.g. symbol=SPY or task=threshold_*; repeat."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Show so many at most.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List runs with their validation scores against the reference, the newest first."""
    from mlxts import files
    from mlxts.evaluation import run_listing

    found = run_listing.listing()
    rows = run_listing.arranged(found, order=sort.value, filters=filters or (), limit=limit)
    nothing = f"no runs in {files.runs_folder()} yet; `mlxts demo` makes one"
    if found:
        nothing = f"none of {formats.count(len(found), 'run')} passes these filters"
    render({"runs": rows}, as_json, _screen(rows, len(found)) if rows else Note(nothing))


def _screen(rows: list[dict[str, Any]], found: int) -> Iterator[Part]:
    columns = (
        ("run", "name", "verdict"),
        ("started", "symbol", "task"),
        (Column("loss", form=formats.loss), Column("difference", "against", formats.difference)),
    )  # fmt: skip
    of_all = "" if len(rows) == found else f" of {found:,}"
    title = f"{formats.count(len(rows), 'run')}{of_all}, scored on validation"
    yield Table(title, columns, [_on_screen(row) for row in rows])
    yield Note(
        "Loss: log loss, of a number RMSE. Against: loss of the network minus that of its "
        "reference, the better of HAR and linear by cross-validation within training; below zero "
        "is better."
    )
    for row in rows:
        if row["damaged"]:
            yield Note(f"Damaged: {row['damaged']}.")


def _on_screen(row: dict[str, Any]) -> Row:
    from mlxts.evaluation import comparison, run_listing

    if row["damaged"]:
        return {"run": row["run_id"], "verdict": "damaged"}
    verdict = comparison.against(row["verdict"], row["reference"])
    exploratory = "" if row["mode"] == "strict" else " (exploratory)"
    return {
        "run": row["run_id"],
        "name": f"{row['name']}{exploratory}",
        "verdict": verdict or row["status"].replace("_", " "),
        "started": (row["started"] or formats.UNKNOWN)[:10],
        "symbol": row["symbol"],
        "task": f"{row['task']} H{row['horizon']}",
        "loss": run_listing.loss(row),
        "difference": row["difference"],
    }
