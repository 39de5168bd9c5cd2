"""Documents that are generated whole, and the commands that write them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mlxts.workspace.project import Problem


class Generated(NamedTuple):
    """What renders a document, and the command that writes it."""

    render: Callable[[], str]
    command: str


def _catalog() -> str:
    from mlxts.features import document

    return document.render()


def _sources() -> str:
    from mlxts.data import document

    return document.render()


DOCUMENTS = {
    "docs/feature_catalog.md": Generated(_catalog, "mlxts features docs"),
    "docs/data_sources.md": Generated(_sources, "mlxts data sources --write"),
}


def stale(root: Path, texts: dict[Path, str]) -> Iterator[Problem]:
    """Those among the project's documents that would be written differently now."""
    for name, one in DOCUMENTS.items():
        text = texts.get(root / name)
        if text is not None and text != one.render():
            yield Problem(name, 0, f"it is stale; run `{one.command}`")
