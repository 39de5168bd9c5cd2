"""The document of the controls is generated, and up to date."""

from pathlib import Path

from mlxts.simulation.markets import MARKETS, default_parameters
from mlxts.workspace import controls_document

DOCUMENT = Path(__file__).parents[2] / "docs" / "controls.md"


def test_the_document_in_docs_is_what_the_markets_say() -> None:
    """If this fails, run `mlxts data controls --write`."""
    text = controls_document.render()
    assert DOCUMENT.read_text(encoding="utf-8") == text
    for name, kind in MARKETS.items():
        assert f"## {kind.control}: `{name}`" in text
        assert all(f"`{dial}`" in text for dial in default_parameters(name))
