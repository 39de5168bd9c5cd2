"""What the walk-forward design answers: one sentence an axis, from the rows of its verdicts.

The report's first screen, the results document and the README have these sentences.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlxts import json_files
from mlxts.errors import RunError
from mlxts.evaluation import comparison
from mlxts.formats import MINUS, count, listing, million, number
from mlxts.protocol import DATASET_COLUMNS, LINEAR
from mlxts.report.walk_forward_study import AXES
from mlxts.scaling.over_reference import ALONE, OVER
from mlxts.scaling.verdict import INVERSE, SCALING

Row = Mapping[str, Any]

TITLES = {
    "parameters": "Parameters",
    "compute": "Compute",
    "features": "Features",
    "history": "Data by history",
    "assets": "Data by assets",
    "columns": "Data by columns",
}
PER = {"history": "training history", "assets": "pooled assets"}
UNITS = {
    "parameters": "parameters",
    "compute": "operations of the training of one origin, FLOP",
    "features": "features",
    "history": "training samples",
    "assets": "pooled assets",
}
_STUDY = "study_"


class _Plan(json_files.Shape):
    sweep: str
    runs: list[dict[str, Any]]


def plan_row(path: Path) -> dict[str, Any]:
    """What a sweep still costs, from the file of `mlxts sweep plan --json`.

    Returns:
        sweep; runs: how many are missing; hours: of these at most, on the machine that made the
        plan; None where a run's time is not known.

    Raises:
        RunError: it is no such file.
    """
    remedy = "make it with `mlxts sweep plan SWEEP --json`"
    plan = json_files.read(path, _Plan, error=RunError, remedy=remedy)
    missing = [run for run in plan["runs"] if run.get("state") != "done"]
    seconds = [run.get("seconds") for run in missing]
    hours = None if None in seconds else sum(seconds) / 3600
    return {"sweep": plan["sweep"], "runs": len(missing), "hours": hours}


def sentences(rows: Sequence[Row], plans: Sequence[Row] = ()) -> list[str]:
    """One an axis, in the order of `AXES`; and one on other sweeps that are planned.

    Args:
        rows: of `walk_forward_study.verdict_rows`. plans: of `plan_row`.
    """
    missing = {plan["sweep"]: plan for plan in plans if plan["runs"]}
    texts = []
    for axis, claimed in claims(rows).items():
        own = [row for row in rows if row["axis"] == axis]
        if claimed:
            texts.append(f"**{TITLES[axis]}:** {'; '.join(_claim(row, own) for row in claimed)}.")
        else:
            plan = missing.pop(f"{_STUDY}{'parameters' if axis == 'compute' else axis}", None)
            sweep = "parameters" if axis == "compute" else axis
            price = _price(plan) if plan else f"`configs/sweeps/{_STUDY}{sweep}.yaml`"
            texts.append(f"**{TITLES[axis]}:** not run; {price}.")
    if missing:
        texts.append(f"**Not finished:** {', '.join(map(_price, missing.values()))}.")
    return texts


def claims(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows that answer the question of each axis; none where it was not run."""
    by_axis = {axis: [row for row in rows if row["axis"] == axis] for axis in AXES}
    return {a: _pairs(own) if a == "columns" else main_rows(own) for a, own in by_axis.items()}


def main_rows(rows: Iterable[Row]) -> list[Row]:
    """Of the rows of one axis those of the estimands: the scored asset at all of its origins, more
    sizes at fewer origins, the panel of most assets.

    Labels come before numbers and touches before direction; then the most dates, assets, sizes and
    seeds, and the largest budget.
    """
    whole = [row for row in rows if not row["part"]]
    alone = sorted((row for row in whole if not row["panel"]), key=_weight)
    panels = sorted((row for row in whole if row["panel"]), key=_weight)
    panels.sort(key=lambda row: row["assets"])
    if not alone:
        return panels[-1:]
    first = alone[-1]
    more = [
        row
        for row in alone
        if _kind(row) == _kind(first) and row["origins"] < first["origins"]
        and len(row["sizes"]) > len(first["sizes"])
    ]  # fmt: skip
    return [first, *more[-1:], *(row for row in panels[-1:] if row["task"] == first["task"])]


def _weight(row: Row) -> tuple:
    return (
        row["word"] != "not estimable", row["unit"] == "nats", row["task"] != "direction",
        row["dates"], row["assets"], len(row["sizes"]), min(row["seeds"], default=0),
        float(row["budget"].rstrip("M")), row["name"],
    )  # fmt: skip


def _kind(row: Row) -> tuple:
    return row["task"], row["timescale"], row["horizon"], row["settings"]


def _pairs(rows: Sequence[Row]) -> list[Row]:
    """Of the columns each pair of cells once, the panel's where there is no other."""
    by_pair: dict[tuple, Row] = {}
    for row in sorted((row for row in rows if not row["part"]), key=_weight):
        by_pair.setdefault(tuple(row["cells"]), row)
    return [by_pair[pair] for pair in sorted(by_pair)]


def where(row: Row) -> str:
    """What is estimated: `SPY`, `the panel of 19 assets`."""
    if not row["panel"]:
        return row["symbol"]
    return f"the panel of {row['assets']} assets (n_eff {row['n_eff_assets']:.1f})"


def sizes(row: Row) -> str:
    """`0.02M, 0.2M and 2M`; of a pair of cells `Ac (+ VIX) against Ab`."""
    if row["cells"]:
        before, after = row["cells"]
        return f"{after} ({DATASET_COLUMNS[after[-1]].description}) against {before}"
    return listing(size_text(row["axis"], size) for size in row["sizes"])


def size_text(axis: str, size: float) -> str:
    """`2M`, `2.1e12`, `7,376`."""
    if axis == "parameters":
        return million(size)
    return f"{size:.1e}".replace("e+", "e") if axis == "compute" else f"{size:,.0f}"


def _claim(row: Row, rows: Sequence[Row]) -> str:
    head = f"{row['label']} on {where(row)} at {count(row['origins'], 'origin')}"
    if row["word"] == "not estimable":
        return f"{head} ({row['reason']})"
    per = "" if row["paired"] else f" per tenfold {PER.get(row['axis'], row['axis'])}"
    parts = [
        f"gain {_signed(row, 'gain')} {row['unit']}{per}, 95 % interval {_interval(row)}",
        f"margin {_unsigned(row, 'margin')}",
        f"{_unsigned(row, 'seen')} would have been seen",
        _design(row),
    ]
    parts += [_part(other) for other in rows if other["part"] and _same(other, row)]
    parts += _against_linear(row)
    if row["word"] in (SCALING, INVERSE) and abs(row["gain"]) < row["margin"]:
        parts.append("smaller than the margin")
    if row["word"] == "inconclusive":
        parts.append(row["reason"])
    return f"{head} ({'; '.join(parts)})"


def _against_linear(row: Row) -> list[str]:
    """The network's loss minus that of linear alone, where the reference is not it everywhere."""
    level = row["levels"].get(LINEAR)
    if row["axis"] == "compute" or not level:
        return []
    over = [_number(point["difference"] - level, row, "+") for point in row["points"]]
    return [f"the network's loss minus linear's {listing(over)}"]


def _same(part: Row, whole: Row) -> bool:
    return part["name"].removesuffix(f", {part['part']}") == whole["name"]


def _part(row: Row) -> str:
    what = {OVER: "of it over the reference", ALONE: "the reference's own"}[row["part"]]
    return f"{what} {_signed(row, 'gain')} {_interval(row)}"


def _design(row: Row) -> str:
    seeds = count(min(row["seeds"]), "seed")
    if len(set(row["seeds"])) > 1:
        seeds = f"{min(row['seeds'])} to {max(row['seeds'])} seeds"
    budget = "" if row["axis"] in ("parameters", "compute") else f" at {row['budget']}"
    return (
        f"{sizes(row)}{budget}, {seeds}, {row['dates']:,} days, "
        f"reference {comparison.title(row['reference'])}"
    )


def _signed(row: Row, key: str) -> str:
    return _number(row[key], row, "+")


def _unsigned(row: Row, key: str) -> str:
    return _number(row[key], row)


def _number(value: float | None, row: Row, sign: str = "") -> str:
    """Nats have four decimals, five where there would be none but zeros; else two digits."""
    digits = ".2g" if row["unit"] != "nats" else ".5f" if abs(value or 1.0) < 0.00005 else ".4f"
    return number(value, sign + digits).replace("-", MINUS)


def _interval(row: Row) -> str:
    return f"[{_signed(row, 'gain_low')}, {_signed(row, 'gain_high')}]"


def _price(plan: Row) -> str:
    hours = "" if plan["hours"] is None else f", at most {plan['hours']:.1f} h"
    return f"`{plan['sweep']}` ({count(plan['runs'], 'run')}{hours})"
