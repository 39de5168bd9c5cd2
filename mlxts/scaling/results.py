"""Fits and verdicts as files: JSON with everything, and CSV tables."""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlxts.errors import ConfigError
from mlxts.files import atomic_path, is_name, outputs_folder
from mlxts.scaling.loss_table import LossTable
from mlxts.scaling.select import Selection
from mlxts.scaling.verdict import Verdict


def folder(name: str) -> Path:
    """Where the results of one analysis are kept. Raises ConfigError: no name of a folder."""
    if not is_name(name):
        raise ConfigError(f"--name {name!r} names no folder under outputs/results; give one name")
    return outputs_folder() / "results" / name


def file_name(cell: str) -> str:
    """A cell's name as that of a file."""
    return re.sub(r"[^a-z0-9]+", "-", cell.lower()).strip("-")


def laws(table: LossTable, selection: Selection) -> list[dict[str, Any]]:
    """`Selection.summary`, with the cell and the reference sizes that coefficients refer to."""
    reference = [float(size) for size in np.exp(np.log(table.rungs).mean(axis=0))]
    return [{"cell": table.name, "reference": reference, **row} for row in selection.summary()]


def flat_laws(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """One row a parameter of a law: what a spreadsheet can read."""
    return pl.DataFrame(
        [
            {
                "cell": row["cell"],
                "family": row["family"],
                "formula": row["formula"],
                "chosen": row["chosen"],
                "selection_frequency": row["selection_frequency"],
                "extrapolation_error": row["extrapolation_error"],
                "parameter": name,
                "value": value,
                "low": row["intervals"][name][0],
                "high": row["intervals"][name][1],
            }
            for row in rows
            for name, value in row["parameters"].items()
        ]
    )


def flat_verdicts(verdicts: Sequence[Verdict]) -> pl.DataFrame:
    """One row a verdict."""
    rows = []
    for verdict in verdicts:
        row = asdict(verdict)
        for name in ("interval", "interval90"):
            row[f"{name}_low"], row[f"{name}_high"] = row.pop(name)
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def write_csv(path: Path, table: pl.DataFrame) -> None:
    """Replace `path` atomically. Raises StorageError."""
    with atomic_path(path) as temporary:
        temporary.write_text(table.write_csv(), encoding="utf-8")


def finite(value: Any) -> Any:
    """`value` for JSON: numbers that are not finite become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
