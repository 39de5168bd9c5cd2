"""Reliability, operating points, recalibration and years as tables that fit 80 columns."""

from typing import Any

from mlxts.cli.output import note, number, table

Row = dict[str, Any]
_ROWS = {"train": "the training rows", "validation": "validation"}


def show_details(found: dict[str, Any], model: str) -> None:
    """Print what `evaluation.details` found about a model."""
    if "reliability" in found:
        table(
            f"Reliability of {model}",
            ["n", "said", "happened", "95 % interval"],
            [
                [row["n"], row["said"], row["happened"], _ends(row["interval"])]
                for row in found["reliability"]
            ],
        )
        table(
            f"Operating points of {model}, chosen on {_ROWS[found['chosen_on']]}",
            ["called above", "threshold", "called", "precision", "recall"],
            [
                [row["name"], row["threshold"], *_cells(row, "called", "precision", "recall")]
                for row in found["operating_points"]
            ],
        )
    if "recalibrated" in found:
        table(
            f"Probabilities of {model}, mended on validation",
            ["method", "log loss", "change", "Brier", "ECE"],
            [
                [name, *_cells(row, "log_loss", "difference", "brier", "ece")]
                for name, row in found["recalibrated"].items()
            ],
        )
    if "years" in found:
        table(
            f"Conformal intervals of 90 % by year, widths from {found['width_from']}",
            ["year", "n", "coverage", "95 % interval", "width"],
            [
                [str(row["year"]), row["n"], row["coverage"], _ends(row["interval"]), row["width"]]
                for row in found["years"]
            ],
        )
    if "reliability" in found and "recalibrated" not in found:
        note("Calibration is fitted on validation and so reported by --split test alone.")


def _cells(row: Row, *keys: str) -> list[str]:
    """Each figure over its interval."""
    return [
        number(None) if row.get(key) is None else f"{row[key]:.4f}\n{_ends(row['interval'][key])}"
        for key in keys
    ]


def _ends(interval: list[float | None]) -> str:
    low, high = interval
    return number(None) if low is None or high is None else f"[{low:.3f},{high:.3f}]"
