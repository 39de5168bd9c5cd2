"""`check`: are packages, data and documents what they should be?"""

from contextlib import nullcontext
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts import formats
from mlxts.cli.output import JsonOption, Note, Part, progress, render

if TYPE_CHECKING:
    from pathlib import Path

    from mlxts.data.store import Verification


class Checked(StrEnum):
    env = "env"
    data = "data"
    docs = "docs"


def check(
    context: typer.Context,
    parts: Annotated[
        list[Checked] | None,
        typer.Argument(
            help="env: packages. data: hash every registered file again. docs: layout, rendered "
            "blocks, workspace headers, links, code blocks and commands. Default: all."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check environment, registered files' hashes and, in the project, every document."""
    from mlxts.cli.doctor import versions
    from mlxts.platform import device
    from mlxts.workspace import documents, packages, project

    root = project.root() if parts and Checked.docs in parts else project.find()
    chosen = set(parts or Checked)
    result: dict[str, Any] = {"ok": True}
    screen: list[Part] = []
    if Checked.env in chosen:
        unfit = packages.problems(root) if root else []
        sentences = [str(requirement) for requirement in unfit]
        if any(problem.missing for problem in unfit):  # what follows would end in a traceback
            render({"ok": False, "problems": sentences}, as_json, sentences)
            raise typer.Exit(2)
        result |= {"versions": versions(), "blas": device.describe()["blas"]}
        result |= {"packages": sentences, "ok": not unfit}
        screen += [*sentences, f"{formats.count(len(versions()), 'package')} found."]
    files = None
    if Checked.data in chosen:
        files = _data(root)
        result |= vars(files) | {"ok": result["ok"] and files.ok}
        note = "{} is not registered; `mlxts data register-raw` adds it"
        screen += [Note(note.format(path)) for path in files.unregistered]
        if files.ok:
            count = formats.count(files.checked, "file")
            screen.append(f"{count} checked: equal to the manifests.")
    if Checked.docs in chosen:
        result["problems"] = None  # there is no project
        if root:
            problems = documents.check(root, context.find_root().command)
            result["problems"] = [vars(problem) for problem in problems]
            result["ok"] = result["ok"] and not problems
            checked = formats.count(len(project.documents(root)), "document")
            screen += [str(problem) for problem in problems]
            screen.append(f"{checked} checked, {formats.count(len(problems), 'problem')}.")
    render(result, as_json, screen)
    if files and not as_json:
        files.require()
    if not result["ok"]:
        raise typer.Exit(2)


def _data(root: "Path | None") -> "Verification":
    from mlxts.data import store
    from mlxts.workspace import project

    with project.at_home(root) if root else nullcontext(), progress("hashing") as show:
        return store.verify(show)
