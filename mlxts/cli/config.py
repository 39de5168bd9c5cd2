"""`mlxts config`: what a configuration says, and what its keys mean."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mlxts.cli.output import JsonOption, Verbatim, render
from mlxts.tables import Column, Table

config = typer.Typer(help="Show configurations and explain their keys.", no_args_is_help=True)


@config.command()
def show(
    path: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="A YAML file, e.g. configs/demo.yaml.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override any key, e.g. model.depth=6."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a configuration with every default written out."""
    from mlxts.config.loading import load_config
    from mlxts.config.yamltext import parse_overrides

    configuration = load_config(path, parse_overrides(overrides))
    render(configuration.model_dump(mode="json"), as_json, Verbatim(configuration.to_yaml()))


@config.command()
def describe(
    key: Annotated[
        str | None, typer.Argument(help="A key or a section, e.g. model.depth; default: all.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain keys: type, default, what strict mode allows, and meaning."""
    from mlxts.config import reference

    described = reference.describe(key)
    columns = (
        ("key", "type"), ("default", Column("strict", "in strict mode")),
        Column("description", "meaning"),
    )  # fmt: skip
    render({"keys": described}, as_json, Table("Keys", columns, [_on_screen(d) for d in described]))


def _on_screen(row: dict[str, Any]) -> dict[str, Any]:
    strict = "fixed" if row["strict"] == row["default"] else row["strict"]
    return row | {"default": row["default"] or "required", "strict": strict or ""}
