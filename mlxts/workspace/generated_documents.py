"""Documents that are generated whole, each from the part of the package that it is about."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mlxts.workspace import api_reference, command_reference
from mlxts.workspace.project import Problem


def _catalog() -> str:
    from mlxts.features import catalog_document

    return catalog_document.render()


def _sources() -> str:
    from mlxts.data import sources_document

    return sources_document.render()


def _controls() -> str:
    from mlxts.workspace import controls_document

    return controls_document.render()


def _configuration() -> str:
    from mlxts.workspace import config_reference

    return config_reference.render()


def renderers(tree: Any) -> dict[str, Callable[[], str]]:
    """What renders each document, by its path. `tree`: the root command of `mlxts`."""
    return {
        "docs/feature_catalog.md": _catalog,
        "docs/data_sources.md": _sources,
        "docs/controls.md": _controls,
        "docs/commands.md": partial(command_reference.render, tree),
        "docs/configuration.md": _configuration,
        **api_reference.pages(),
    }


def stale(root: Path, texts: dict[Path, str], tree: Any) -> Iterator[Problem]:
    """Those among the project's documents that would be written differently now."""
    for name, render in renderers(tree).items():
        text = texts.get(root / name)
        if text is not None and text != render():
            yield Problem(name, 0, "it is stale; run `mlxts docs render`")
