"""The tables of a paper as Markdown, and what is said of figures that are older than linear.

What was computed before there was a linear reference was compared with HAR, and says so.
"""

from collections.abc import Sequence
from typing import Any

from mlxts.evaluation import comparison
from mlxts.protocol import BASELINE
from mlxts.tables import Column, Table, ranged

_HAR = BASELINE.upper()
_COLUMNS = {
    column.key: column
    for column in (
        ranged("against_main", "minus the strict model's loss", "+.4f"),
        ranged("auc", "AUC", ".3f"),
        Column("auc_har", f"{_HAR}'s AUC", ".3f"),
        Column("axis", "along"),
        Column("base_rate", "base rate", ".1%"),
        Column("budget"),
        Column("cell"),
        Column("change", "what differs"),
        Column("dates", "days"),
        ranged("difference", "minus the reference's", "+.4f"),
        Column("epoch", "best after epochs", ".1f"),
        Column("extrapolation", "foresight", "+.2f"),
        ranged("gain", "gain per decade", "+.4f"),
        Column("horizon", "H, days"),
        Column("loss", "PatchTST's loss", ".4f"),
        Column("loss_har", f"{_HAR}'s loss", ".4f"),
        Column("loss_linear", "linear's loss", ".4f"),
        Column("loss_prior", "base rate's loss", ".4f"),
        Column("margin", "margin", ".4f"),
        Column("n"),
        Column("n_eff", "n_eff", ".0f"),
        Column("n_total", "parameters"),
        Column("origins"),
        Column("reason", "why"),
        Column("said", "verdict"),
        Column("samples", "training samples"),
        Column("seed"),
        Column("seeds"),
        Column("settings"),
        Column("sizes"),
        ranged("skill", "skill over the reference", "+.1%"),
        ranged("skill_har", f"skill over {_HAR}", "+.1%"),
        Column("verdict"),
    )
}
NUMBERS = {key for key, column in _COLUMNS.items() if column.form} | {
    "n", "samples", "n_total", "dates",
}  # fmt: skip


def table(title: str, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> Table:
    """Rows in the columns of `keys`."""
    return Table(
        title, [_COLUMNS[key] for key in keys], [_against_a_reference(row) for row in rows]
    )


def _against_a_reference(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its verdict in words; one of before there was linear was compared with HAR."""
    if "verdict" not in row:
        return row
    name = row.get("reference") or BASELINE
    known = row if "skill_har" in row or name != BASELINE else row | _over_har(row)
    return known | {"verdict": comparison.against(row["verdict"], name)}


def _over_har(row: dict[str, Any]) -> dict[str, Any]:
    return {f"skill_har{end}": row.get(f"skill{end}") for end in ("", "_low", "_high")}


def notes(record: dict[str, Any]) -> list[str]:
    """What has to be said where rows were compared with HAR before there was linear."""
    rows = [row for name in ("main", "seeds", "beside", "foreseen") for row in record[name]]
    if all("reference" in row for row in rows):
        return []
    return [
        "**Against HAR only.** These figures were computed before there was a linear reference: "
        "every difference, skill and verdict below is against HAR, and none of them says that "
        "a network is needed. Where linear's loss is given it was added from the same data "
        "afterwards, without an interval; to compare with it, render this page from run folders."
    ]
