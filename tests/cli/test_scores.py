"""What stands over a column of differences."""

import pytest

from mlxts.cli import scores


@pytest.mark.parametrize(
    ("figures", "heading"),
    [
        ({"reference": "har"}, "against HAR"),
        ({"reference": "linear"}, "against linear"),
        ({"reference": None}, "no reference"),
        ({}, "against HAR"),  # as earlier versions wrote it
    ],
)
def test_a_reference_that_there_is_not_is_not_named(
    figures: dict[str, str | None], heading: str
) -> None:
    assert scores.against(figures) == heading
