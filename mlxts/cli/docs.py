"""`mlxts docs`: write what documents say about the protocol, and check that all of it is so."""

import typer

from mlxts.cli.output import JsonOption, counted, emit, say

docs = typer.Typer(
    help="Write the marked blocks of documents, and check what documents say.",
    no_args_is_help=True,
)


@docs.command()
def render(as_json: JsonOption = False) -> None:
    """Write the marked blocks of README, docs/ and .claude/, and the documents generated whole."""
    from mlxts.workspace import documents, project

    changed = documents.render(project.root())
    if as_json:
        emit({"changed": changed})
        return
    for path in changed:
        print(path)
    say(f"{counted(len(changed), 'document')} changed")


@docs.command()
def check(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check layout, rendered blocks, workspace headers, links, code blocks and commands."""
    from mlxts.workspace import documents, project

    root = project.root()
    problems = documents.check(root, context.find_root().command)
    if as_json:
        emit({"ok": not problems, "problems": [vars(problem) for problem in problems]})
    else:
        for problem in problems:
            say(str(problem))
        count = len(project.documents(root))
        say(f"{counted(count, 'document')} checked, {counted(len(problems), 'problem')}")
    if problems:
        raise typer.Exit(2)
