"""`mlxts docs`: render the parts of documents that follow from the code."""

from pathlib import Path

import typer

from mlxts import formats
from mlxts.cli import output
from mlxts.cli.output import JsonOption

docs = typer.Typer(help="Render the generated parts of documents.", no_args_is_help=True)


@docs.callback()
def _group() -> None:
    """A group of its own, even with one command."""


@docs.command()
def render(context: typer.Context, as_json: JsonOption = False) -> None:
    """Render the marked blocks of README, docs/ and .claude/, and the generated documents."""
    from mlxts.workspace import documents, project

    changed = documents.render(project.root(), context.find_root().command)
    output.render(
        {"changed": changed},
        as_json,
        [*map(Path, changed), f"{formats.count(len(changed), 'document')} changed"],
    )
