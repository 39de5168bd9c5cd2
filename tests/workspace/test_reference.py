"""The reference of the Python API is the docstrings, and the ledger's is its columns."""

from mlxts.evaluation.predictions import SCHEMA

import mlxts
from mlxts.scaling.ledger import COLUMNS
from mlxts.workspace import reference, tables


def test_every_public_name_stands_in_the_reference_with_what_it_says_of_itself() -> None:
    text = reference.python_api()
    for name in mlxts.__all__:
        assert f"## mlxts.{name}" in text
    for told in ("### mlxts.Run.model", "(B, T, F)", "Raises:", "split: train, validation or test"):
        assert told in text
    assert "### mlxts.Run.summary\n\n```text\nsummary\n" in text
    assert "self" not in text.replace("itself", "")
    assert "0x" not in text  # the address of an object would change with every run


def test_tables_hold_every_column() -> None:
    lines = reference.ledger_columns().splitlines()
    assert [line.split("`")[1] for line in lines[2:]] == [column.name for column in COLUMNS]
    lines = reference.prediction_columns().splitlines()
    assert [line.split("`")[1] for line in lines[2:]] == SCHEMA.names()


def test_documents_can_ask_for_them() -> None:
    for name in ("ledger_columns", "prediction_columns", "python_api"):
        assert tables.render(name) == getattr(reference, name)()
