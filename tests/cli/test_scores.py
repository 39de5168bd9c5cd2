"""What stands over a column of differences."""

import pytest

from mlxts.cli import scores
from mlxts.cli.output import Note
from mlxts.protocol import TASKS, TIMESCALES
from mlxts.runs.references import Reference
from mlxts.runs.scored_task import ScoredTask


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


@pytest.mark.parametrize("pooled", [None, "trained on 8 samples of SPY"])
def test_references_that_were_pooled_are_called_so(pooled: str | None) -> None:
    asked = ScoredTask(TASKS["regression"], TIMESCALES["daily"], 1, "SPY", "protocol")
    screen = scores.scores_screen({}, asked, "a run", Reference("har", {}, pooled=pooled))
    notes = " ".join(part for part in screen if isinstance(part, Note))
    assert ("Pooled references" in notes) is (pooled is not None)
    assert pooled is None or pooled in notes
