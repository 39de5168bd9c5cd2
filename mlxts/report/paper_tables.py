"""The tables of a paper as Markdown, and notes on figures without a linear reference.

Figures computed before there was a linear reference were compared with HAR, and are marked.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mlxts.evaluation import comparison
from mlxts.protocol import BASELINE
from mlxts.report.columns import columns
from mlxts.tables import Table

_COMPARED = ("main", "seeds", "ablations", "walk_forward")


def table(title: str, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> Table:
    """Rows in the columns of `keys`."""
    return Table(title, columns(*keys), [_against_a_reference(row) for row in rows])


def _against_a_reference(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its verdict in words; one of before there was linear was compared with HAR."""
    if "verdict" not in row:
        return row
    name = row.get("reference") or BASELINE
    compared = row if "skill_har" in row or name != BASELINE else row | _over_har(row)
    return compared | {"verdict": comparison.against(row["verdict"], name)}


def _over_har(row: dict[str, Any]) -> dict[str, Any]:
    return {f"skill_har{end}": row.get(f"skill{end}") for end in ("", "_low", "_high")}


def notes(results: Mapping[str, Any]) -> list[str]:
    """Notes where rows were compared with HAR before there was linear."""
    rows = [row for name in _COMPARED for row in results.get(name, ())]
    if all("reference" in row for row in rows):
        return []
    return [
        "**Against HAR only.** These figures were computed before there was a linear reference: "
        "every difference, skill and verdict below is against HAR, and none of them says that "
        "a network is needed. Where linear's loss is given it was added from the same data "
        "afterwards, without an interval; to compare with it, render this page from run folders."
    ]
