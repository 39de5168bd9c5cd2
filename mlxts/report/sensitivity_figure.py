"""The minimum detectable effect, from the newest record of the sensitivity benchmark."""

from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from mlxts import json_files
from mlxts.errors import DataError
from mlxts.files import outputs_folder
from mlxts.report.figure import Picture, legend_below
from mlxts.report.palette import FAINT, MARKERS, shade_of
from mlxts.scaling.sensitivity import POWER
from mlxts.scaling.verdict import FLAT, INCONCLUSIVE, INVERSE, SCALING
from mlxts.tables import Column, Table

NAME = "sensitivity"
WORDS = (SCALING, INVERSE, FLAT, INCONCLUSIVE)


class _Row(json_files.Shape):
    sample: str
    gain: float
    scaling: float
    inverse: float
    flat: float
    inconclusive: float
    smallest: float | None = None


class _Record(json_files.Shape):
    rows: tuple[_Row, ...] = ()
    date: str = ""
    notes: tuple[str, ...] = ()


class _ByName(json_files.Shape):
    sensitivity: _Record | None = None


def newest() -> dict[str, Any] | None:
    """The last full record under outputs/results/benchmarks, or None."""
    for path in sorted((outputs_folder() / "results" / "benchmarks").glob("????-??-??.json"))[::-1]:
        record = read(path)
        if record:
            return record
    return None


def read(path: Path) -> dict[str, Any] | None:
    """The record in a file of `make bench` (all by name) or of the benchmark alone."""
    remedy = "delete it; the repository's benchmark `sensitivity` measures again"
    records = json_files.read(path, _ByName, error=DataError, remedy=remedy)
    if records.get("benchmark") == NAME:
        records = {NAME: json_files.read(path, _Record, error=DataError, remedy=remedy)}
    record = records.get(NAME, {})
    return record if record.get("rows") else None


def picture(record: dict[str, Any]) -> Picture:
    """Power over the planted gain, one curve a sample size."""
    rows = record["rows"]
    return Picture(
        name=NAME,
        title="Detection rate by planted gain",
        caption=(
            f"Share of simulated tables with the verdict {SCALING}, over the planted gain, for as "
            "many days as SPY's validation years and for multiples of it. At a gain of 0 it is "
            f"the false positive rate; the line marks {POWER:.0%}."
        ),
        data=pl.DataFrame(rows, infer_schema_length=None),
        draw=lambda axes: draw(axes, rows),
    )


def draw(axes: Axes, rows: list[dict[str, Any]]) -> None:
    samples = list(dict.fromkeys(row["sample"] for row in rows))
    for index, sample in enumerate(samples):
        sample_rows = sorted(
            (row for row in rows if row["sample"] == sample), key=lambda row: row["gain"]
        )
        axes.plot(
            [1000 * row["gain"] for row in sample_rows],
            [100 * row[SCALING] for row in sample_rows],
            marker=MARKERS[index % len(MARKERS)], markersize=4.5, label=sample,
            color=shade_of(index, len(samples)),
        )  # fmt: skip
    axes.axhline(100 * POWER, color=FAINT, linestyle="--", linewidth=1.2, label=f"{POWER:.0%}")
    axes.set(
        xlabel="planted gain, millinats per decade of parameters",
        ylabel=f"called {SCALING}, % of tables", ylim=(-3, 103),
    )  # fmt: skip
    legend_below(axes)


def table(record: dict[str, Any]) -> Table:
    """The share of each verdict at each planted gain."""
    return Table(
        name=NAME,
        title="Verdicts on planted gains",
        columns=(
            "sample",
            Column("gain", "planted, nats per decade", ".4f"),
            *(Column(word, word, ".1%") for word in WORDS),
            Column("smallest", f"detected in {POWER:.0%} from", ".4f"),
        ),
        rows=record["rows"],
        note=f"Measured on {record.get('date', 'an unknown day')}"
        + (", in a quick run." if record.get("quick") else "."),
    )
