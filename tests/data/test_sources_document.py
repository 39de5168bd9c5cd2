"""The document of the sources is generated, and up to date."""

from pathlib import Path

from mlxts import protocol
from mlxts.data import sources_document
from mlxts.data.exogenous_catalog import SERIES

DOCUMENT = Path(__file__).parents[2] / "docs" / "data_sources.md"


def test_the_document_in_docs_is_what_the_tables_say() -> None:
    """If this fails, run `mlxts data sources --write`."""
    assert DOCUMENT.read_text(encoding="utf-8") == sources_document.render()


def test_every_series_row_and_column_is_in_it() -> None:
    starts = [
        line.split("|")[1].strip(" `")
        for line in sources_document.render().splitlines()
        if "|" in line
    ]
    for name in (*SERIES, *protocol.DATASET_ROWS, *protocol.DATASET_COLUMNS):
        assert name in starts
