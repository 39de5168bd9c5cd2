"""`mlxts docs`: write what documents say about the protocol, and check that all of it is so."""

from pathlib import Path

import typer

from mlxts import formats
from mlxts.cli import output
from mlxts.cli.output import JsonOption

docs = typer.Typer(
    help="Render marked blocks of documents, and check documents.",
    no_args_is_help=True,
)


@docs.command()
def render(as_json: JsonOption = False) -> None:
    """Render the marked blocks of README, docs/ and .claude/, and the generated documents."""
    from mlxts.workspace import documents, project

    changed = documents.render(project.root())
    output.render(
        {"changed": changed},
        as_json,
        [*map(Path, changed), f"{formats.count(len(changed), 'document')} changed"],
    )


@docs.command()
def check(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check layout, rendered blocks, workspace headers, links, code blocks and commands."""
    from mlxts.workspace import documents, project

    root = project.root()
    problems = documents.check(root, context.find_root().command)
    checked = len(project.documents(root))
    output.render(
        {"ok": not problems, "problems": [vars(problem) for problem in problems]},
        as_json,
        [
            *map(str, problems),
            f"{formats.count(checked, 'document')} checked, "
            f"{formats.count(len(problems), 'problem')}",
        ],
    )
    if problems:
        raise typer.Exit(2)
