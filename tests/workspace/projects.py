"""Small projects with records, in a git repository of their own."""

import subprocess
from pathlib import Path

import pytest

from mlxts.cli.app import command_tree
from mlxts.workspace import documents, protocol_tables, scaffold
from mlxts.workspace.project import CONTEXT


def make(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Make `folder` a project with three idle workstreams, and the working folder."""
    scaffold.write(folder)
    patch.setenv("MLXTS_HOME", str(folder))
    patch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.chdir(folder)
    return folder


def with_git(folder: Path) -> Path:
    """Put a project under git, with one commit on branch main."""
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "Somebody")
    git(folder, "config", "user.email", "somebody@example.org")
    commit(folder, "feat: begin")
    return folder


def commit(folder: Path, subject: str, workstream: str | None = None) -> None:
    trailer = ["--trailer", f"Workstream: {workstream}"] if workstream else []
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", subject, *trailer)


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def with_documents(folder: Path) -> Path:
    """Add a README with every table, a document and a rule, all of them true."""
    (folder / "docs").mkdir()
    (folder / ".claude" / "rules").mkdir()
    tables_ = "\n".join(
        f"<!-- rendered: {name} -->\n<!-- end -->" for name in protocol_tables.RENDERERS
    )
    readme = f"# A project\n\n[heat](docs/thermal.md#bands)\n\n`make test`\n\n{tables_}\n"
    (folder / "README.md").write_text(readme)
    (folder / "Makefile").write_text("test:\n\ttrue\n")
    (folder / "docs" / "thermal.md").write_text("# Heat\n\n## Bands\n\n[up](../README.md)\n")
    rule = "```sh\nmlxts runs\n```\n"
    (folder / ".claude" / "rules" / "testing.md").write_text(rule)
    documents.render(folder, command_tree())
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    """Bytes of all records by name, without the lock."""
    files = (folder / CONTEXT).rglob("*")
    return {str(p): p.read_bytes() for p in files if p.is_file() and p.name != ".lock"}
