"""The catalog's document is generated, and up to date."""

from pathlib import Path

from mlxts.features import catalog_document, tiers

DOCUMENT = Path(__file__).parents[2] / "docs" / "feature_catalog.md"


def test_the_document_in_docs_is_what_the_catalog_says() -> None:
    """If this fails, run `mlxts features docs`."""
    assert DOCUMENT.read_text(encoding="utf-8") == catalog_document.render()


def test_every_feature_of_the_tiers_is_in_it_once() -> None:
    rows = [
        line.split("`")[1] for line in catalog_document.render().splitlines() if line[:3] == "| `"
    ]
    assert sorted(rows) == sorted(tiers.order())
