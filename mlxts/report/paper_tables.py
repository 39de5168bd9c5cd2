"""The tables of a paper as Markdown, and what is said of figures that are older than linear.

What was computed before there was a linear reference was compared with HAR, and says so.
"""

from collections.abc import Sequence
from typing import Any

from mlxts.evaluation import comparison
from mlxts.protocol import BASELINE

FORM = {
    "loss": ".4f", "loss_har": ".4f", "loss_linear": ".4f", "loss_prior": ".4f",
    "difference": "+.4f", "skill": "+.1%", "skill_har": "+.1%",
    "auc": ".3f", "auc_har": ".3f", "base_rate": ".1%", "n_eff": ".0f", "epoch": ".1f",
    "against_main": "+.4f", "n": ",", "samples": ",", "n_total": ",", "dates": ",", "gain": "+.4f",
    "margin": ".4f", "extrapolation": "+.2f",
}  # fmt: skip
_RANGED = ("difference", "skill", "skill_har", "auc", "against_main", "gain")


def table(columns: dict[str, str], rows: Sequence[dict[str, Any]]) -> str:
    """Rows under the headings of `columns`, which are keys of them."""
    lines = [list(columns.values()), ["---"] * len(columns)]
    lines += [[_cell(row, key) for key in columns] for row in map(_against_a_reference, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(row: dict[str, Any], key: str) -> str:
    value, form = row.get(key), FORM.get(key, "")
    if value is None:
        return "–"
    text = format(value, form)
    if key in _RANGED and row.get(f"{key}_low") is not None:
        low, high = (format(row[f"{key}_{end}"], form) for end in ("low", "high"))
        text = f"{text} [{low}, {high}]"
    return text.replace("-", "−") if isinstance(value, int | float) else text


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
