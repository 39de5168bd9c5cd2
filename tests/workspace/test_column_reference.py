"""The reference of the Python API is the docstrings, and the ledger's is its columns."""

import inspect
from pathlib import Path

import mlxts
from mlxts.runs.predictions import SCHEMA
from mlxts.scaling.ledger import COLUMNS
from mlxts.workspace import api_reference, column_reference, protocol_tables


def test_every_public_name_stands_in_the_reference_with_what_it_says_of_itself() -> None:
    text = api_reference.python_api()
    for name in set(mlxts.__all__) - {"__version__"}:
        assert f"### mlxts.{name}" in text
    for part in ("\n.model() -> PatchTST\n", "(B, T, F)", "Raises:", "split: train, validation or"):
        assert part in text
    assert "\n.summary\n" in text  # a property: no call


def test_each_room_has_a_page_that_explains_its_functions_and_hides_what_is_its_own() -> None:
    folder = Path(__file__).parents[2] / "docs" / "api"
    assert {f"docs/api/{path.name}" for path in folder.iterdir()} == set(api_reference.pages())
    for room in api_reference.ROOMS:
        text = api_reference.page(room)
        assert f"\n## mlxts.{room}" in text
        assert "(self" not in text
        assert " at 0x" not in text  # the address of an object would change with every run
        assert "_" not in {line[4] for line in text.splitlines() if line.startswith("### ")}
    said = inspect.cleandoc(mlxts.load_model.__doc__ or "")
    assert f"\n\n{said}\n```" in api_reference.page("interop")


def test_tables_hold_every_column() -> None:
    lines = column_reference.ledger_columns().splitlines()
    assert [line.split("`")[1] for line in lines[2:]] == [column.name for column in COLUMNS]
    lines = column_reference.prediction_columns().splitlines()
    assert [line.split("`")[1] for line in lines[2:]] == SCHEMA.names()


def test_documents_can_ask_for_them() -> None:
    for render in (
        column_reference.ledger_columns,
        column_reference.prediction_columns,
        api_reference.python_api,
    ):
        assert protocol_tables.render(render.__name__) == render()
