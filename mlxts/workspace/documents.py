"""Checks of the documents: layout, rendered blocks, links, code blocks and commands."""

import ast
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mlxts.config.yamltext import parse_yaml
from mlxts.errors import WorkspaceError
from mlxts.files import write_text
from mlxts.workspace import (
    blocks,
    commands,
    context,
    generated_documents,
    markdown,
    project,
    project_blocks,
)
from mlxts.workspace.project import Problem

_OF_THEIR_TIME = (".claude/context/", "docs/archive/")  # they name what there was
_ELSEWHERE = ("http://", "https://", "mailto:")


def render(root: Path, tree: Any) -> list[str]:
    """Write every marked block and generated document again; the relative paths of what changed.

    Args:
        tree: the root command of `mlxts`.

    Raises:
        WorkspaceError: a header of .claude/context that cannot be read, or marks of blocks that do
            not pair up; nothing is written.
        StorageError: a file cannot be written.
    """
    with context.changing(root):  # records are among the documents
        return _render(root, tree)


def _render(root: Path, tree: Any) -> list[str]:
    generated = generated_documents.renderers(tree)
    renderer = context.renderer(root)
    texts = {path: project.read(path) for path in project.documents(root)}
    after = {}
    for path, text in texts.items():
        whole = generated.get(project.relative(path, root))
        if whole:
            after[path] = whole()
            continue
        try:
            after[path] = blocks.rewrite(text, renderer(path, text))
        except blocks.BlockError as error:
            name = project.relative(path, root)
            raise WorkspaceError(
                f"{Problem(name, error.line, error.message)}; correct it"
            ) from error
    changed = [path for path in texts if after[path] != texts[path]]
    for path in changed:
        write_text(path, after[path])
    return [project.relative(path, root) for path in changed]


def check(root: Path, tree: Any) -> list[Problem]:
    """Everything that is wrong, sorted by file and line. `tree`: the root command of `mlxts`."""
    problems = [*layout(root), *context.problems(root)]
    targets = commands.targets(root)
    parsed: dict[Path, markdown.Parts] = {}
    texts = {path: project.read(path) for path in project.documents(root)}
    for path, text in texts.items():
        parsed[path.resolve()] = markdown.parse(text)
    for path, text in texts.items():
        name, parts = project.relative(path, root), parsed[path.resolve()]
        if name.startswith(_OF_THEIR_TIME):
            continue
        problems += _stale(name, text, project_blocks.renderer(root))
        problems += _links(root, path, name, parts, parsed)
        problems += _code(name, parts)
        problems += _commands(name, parts, root, tree, targets)
    return sorted([*problems, *generated_documents.stale(root, texts, tree)])


def layout(root: Path) -> Iterator[Problem]:
    """Folders where there should be none: docs/ is flat, .claude/ has four."""
    for folder, allowed in (
        (project.DOCS, project.DOCS_FOLDERS),
        (project.CLAUDE, project.CLAUDE_FOLDERS),
    ):
        for path in sorted(p for p in (root / folder).rglob("*") if p.is_dir()):
            inside = path.relative_to(root / folder).as_posix()
            is_skill = folder == project.CLAUDE and path.parent.name == "skills"
            if inside not in allowed and not is_skill:
                where = project.relative(path, root)
                yield Problem(where, 0, f"no folder belongs here; move its files to {folder}/")
    for skill in sorted((root / project.CLAUDE / "skills").glob("*")):
        if skill.is_dir() and not (skill / "SKILL.md").is_file():
            yield Problem(project.relative(skill, root), 0, "a skill without SKILL.md")


def _stale(name: str, text: str, render: Callable[[str], str]) -> Iterator[Problem]:
    try:
        for line, block in blocks.stale(text, render):
            yield Problem(name, line, f"block {block} is stale; run `mlxts docs render`")
    except blocks.BlockError as error:
        yield Problem(name, error.line, error.message)


def _links(
    root: Path, path: Path, name: str, parts: markdown.Parts, parsed: dict[Path, markdown.Parts]
) -> Iterator[Problem]:
    for link in parts.links:
        if link.text.startswith(_ELSEWHERE):
            continue
        file, _, anchor = unquote(link.text).partition("#")
        target = (path.parent / file).resolve() if file else path.resolve()
        if root not in (target, *target.parents) or not target.exists():
            yield Problem(name, link.line, f"there is no {link.text}")
        elif anchor and target in parsed and anchor not in parsed[target].anchors:
            yield Problem(name, link.line, f"{link.text}: no heading #{anchor}")


def _code(name: str, parts: markdown.Parts) -> Iterator[Problem]:
    """Blocks that are no code of their language."""
    for block in parts.blocks:
        try:
            if block.language in ("python", "py"):
                ast.parse(block.text)
            elif block.language in ("yaml", "yml"):
                parse_yaml(block.text)
            elif block.language == "json":
                json.loads(block.text)
            elif block.language in commands.SHELLS:
                _shell(block.text)
        except (SyntaxError, ValueError) as error:
            message = str(error).splitlines()[0]
            yield Problem(name, block.line, f"the {block.language} block is broken: {message}")


def _shell(text: str) -> None:
    """Raises ValueError where the shell cannot parse it."""
    shell = shutil.which("sh")
    if shell:
        done = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(done.stderr.strip().splitlines()[-1])


def _commands(
    name: str, parts: markdown.Parts, root: Path, tree: Any, targets: frozenset[str]
) -> Iterator[Problem]:
    for line, words, whole in named(parts):
        message = commands.wrong(words, project=root, tree=tree, targets=targets, whole=whole)
        if message:
            yield Problem(name, line, message)


def named(parts: markdown.Parts) -> Iterator[tuple[int, list[str], bool]]:
    """(line, words, is in a shell block) of every command in a file's shell blocks and spans."""
    for block in parts.blocks:
        if block.language in commands.SHELLS:
            try:
                for offset, words in commands.in_block(block.text):
                    yield block.line + offset, words, True
            except ValueError:
                continue  # _code reports it
    for span in parts.spans:
        for words in commands.in_span(span.text):
            yield span.line, words, False
