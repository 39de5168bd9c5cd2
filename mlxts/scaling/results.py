"""Fits and verdicts as tables, for a terminal, the report and files."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlxts.errors import ConfigError
from mlxts.evaluation import comparison
from mlxts.files import is_name, outputs_folder
from mlxts.formats import count, difference, loss, p_value, percent
from mlxts.protocol import BASELINE
from mlxts.scaling.loss_table import LossTable
from mlxts.scaling.mixed_effects import Mixed
from mlxts.scaling.multiple_comparison import Comparison
from mlxts.scaling.select import Selection
from mlxts.scaling.verdict import MARGIN, Judged
from mlxts.tables import Column, Table


def folder(name: str) -> Path:
    """Where the results of one analysis are kept. Raises ConfigError: no name of a folder."""
    if not is_name(name):
        raise ConfigError(f"--name {name!r} names no folder under outputs/results; give one name")
    return outputs_folder() / "results" / name


def file_name(cell: str) -> str:
    """A cell's name as that of a file."""
    return re.sub(r"[^a-z0-9]+", "-", cell.lower()).strip("-")


CHOICE = (
    "Chosen: the simplest law whose error lies within one standard error of the smallest one, so a "
    "simpler law may be chosen over one with a smaller error (one-standard-error rule, Breiman et "
    "al. 1984)."
)


def laws(table: LossTable, selection: Selection) -> list[dict[str, Any]]:
    """`Selection.summary`, with the cell and the reference sizes that coefficients refer to."""
    reference = [float(size) for size in np.exp(np.log(table.rungs).mean(axis=0))]
    return [{"cell": table.name, "reference": reference, **row} for row in selection.summary()]


def flat_laws(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a parameter of a law: what a spreadsheet can read."""
    shared = (
        "cell", "family", "formula", "chosen", "selection_frequency", "extrapolation_error",
    )  # fmt: skip
    return [
        {key: row[key] for key in shared}
        | {
            "parameter": name,
            "value": value,
            "low": row["intervals"][name][0],
            "high": row["intervals"][name][1],
        }
        for row in rows
        for name, value in row["parameters"].items()
    ]


def mode_of(cell: str) -> str:
    """Of a cell by its name."""
    return "exploratory" if "(exploratory)" in cell else "strict"


def verdicts(judged: Judged, axis: str) -> Table:
    """The verdict on every cell along an axis, those of the pools first."""
    modes = ["strict" if pool.strict else "exploratory" for pool in judged.pools]
    modes += [mode_of(cell.name) for cell in judged.cells]
    rows = []
    for verdict, mode in zip((*judged.pools.values(), *judged.cells), modes, strict=True):
        row = verdict.to_dict()
        for name in ("interval", "interval90"):
            row[f"{name}_low"], row[f"{name}_high"] = row.pop(name)
        differ = len({*row["seeds_at"]}) > 1
        row["seeds_at"] = f"by size {', '.join(map(str, row['seeds_at']))}" if differ else ""
        if row["assets"] == 1:
            row["n_eff_assets"] = None
        rows.append(row | {"mode": mode})
    return Table(
        f"Verdicts along {axis}",
        (
            (Column("name", "cell"), "mode", Column("label", "verdict")),
            (
                Column("gain", "gain per decade", difference, ("interval_low", "interval_high")),
                "unit",
            ),
            (
                Column("margin", form=loss),
                Column("seen", "would have seen", loss),
                Column("p", form=p_value),
                Column("q", form=p_value),
            ),
            (
                Column("reference", form=comparison.title),
                "assets",
                Column("n_eff_assets", "n_eff of the assets", ".1f"),
            ),
            (
                "sizes",
                "seeds",
                Column("seeds_at", ""),
                "dates",
                Column("extrapolation", "extrapolation skill", "+.2f"),
            ),
            Column("reason", "why"),
        ),
        rows,
        note=(
            f"Gain: decrease of the loss per tenfold {axis}, with its 95 % interval; pooled in "
            "units of the reference's loss, over cells of the same settings, mode and market. "
            f"Margin: {percent(MARGIN)} of what {BASELINE.upper()} gains over the base rate. Would "
            "have seen: the smallest gain that is found with 80 %. Reference: skill is in its "
            "units; it cancels between sizes, but along features, where it reads what the network "
            "reads and is reported separately. p: of no gain; q: p adjusted over the cells of a "
            "pool (Benjamini, Hochberg). Extrapolation skill: 1 − error of a power law / error of "
            "a constant at the largest size, left out. Seeds: the fewest, "
            "and how many at each size where they differ."
        ),
        name=f"verdict_{axis}",
    )


def comparisons(compared: Mapping[str, Comparison], tables: Sequence[LossTable]) -> Table:
    """Sizes that beat the reference (StepM) and the model confidence set, by cell."""
    sizes = {table.name: [f"{size:,.0f}" for size in table.rungs[:, 0]] for table in tables}
    rows = [
        {
            "cell": name,
            "mode": mode_of(name),
            "p_superior": comparison.p_superior,
            "superior": ", ".join(sizes[name][index] for index in comparison.superior) or "none",
            "best": ", ".join(sizes[name][index] for index in comparison.confidence_set),
        }
        for name, comparison in compared.items()
    ]
    return Table(
        "Sizes against the reference and against each other",
        (
            ("cell", "mode"),
            Column("p_superior", "p: none beats the reference", p_value),
            Column("superior", "beat the reference"),
            Column("best", "model confidence set"),
        ),
        rows,
        note="SPA (Hansen 2005), StepM (Romano, Wolf 2005), model confidence set (Hansen et al. "
        "2011), all at 5 %.",
        name="comparisons",
    )


def mixed_slopes(model: Mixed, mode: str) -> Table:
    """Slopes of the mixed model over all cells."""
    return Table(
        f"Mixed model over {count(model.runs, 'run')} in {count(model.cells, 'cell')}",
        (
            Column("at", "other sizes at"),
            Column("slope", "skill per decade of parameters", "+.4f", ("low", "high")),
            "mode",
        ),
        [
            {
                "at": s.at,
                "slope": s.slope,
                "low": s.interval[0],
                "high": s.interval[1],
                "mode": mode,
            }
            for s in model.slopes
        ],
        note=(
            "skill = logN·logD + logN·logF + (1 + logN | cell) + (1 | cell:seed); intervals from "
            "the hierarchical bootstrap. What more data or more features change in what "
            "parameters buy is the difference between low and high."
        ),
        name="mixed_model",
    )
