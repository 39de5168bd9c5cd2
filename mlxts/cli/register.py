"""`mlxts data register-raw`, `register-processed`: Parquet files that something else wrote."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxts import formats
from mlxts.cli.output import JsonOption, render

if TYPE_CHECKING:
    from mlxts.data.artifacts import Artifact


def register_raw(
    path: Annotated[Path, typer.Argument(help="Parquet file with the columns of a raw artifact.")],
    symbol: Annotated[str, typer.Option(help="e.g. SPY")],
    source: Annotated[str, typer.Option(help="e.g. yahoo or files")] = "files",
    as_json: JsonOption = False,
) -> None:
    """Register a raw Parquet file written by another program."""
    from mlxts.data import registration

    artifact = registration.raw(path, source=source, symbol=symbol.upper())
    _show_registered(artifact, as_json)


def register_processed(
    path: Annotated[Path, typer.Argument(help="Parquet file with a date column.")],
    dataset: Annotated[str, typer.Option(help="Dataset name; versions are numbered within it.")],
    source_md5: Annotated[
        list[str],
        typer.Option("--source-md5", help="md5 of a raw artifact it was made from; repeat."),
    ],
    tier: Annotated[int | None, typer.Option(help="Feature tier.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Register a processed Parquet file as the next version of its dataset."""
    from mlxts.data import registration

    artifact = registration.processed(path, dataset=dataset, tier=tier, source_md5s=source_md5)
    _show_registered(artifact, as_json)


def _show_registered(artifact: "Artifact", as_json: bool) -> None:
    rows = formats.count(artifact.rows, "row")
    render(artifact.to_dict(), as_json, f"{artifact.dataset}: {rows}, {artifact.path}")
