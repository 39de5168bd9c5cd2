"""How small an effect would have been seen: the newest record of the sensitivity benchmark."""

import json
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from mlxts.files import outputs_folder
from mlxts.report.law_figure import MARKERS, shade_of
from mlxts.report.picture import Picture, legend_below
from mlxts.report.table import Column, Table
from mlxts.scaling.sensitivity import POWER
from mlxts.scaling.verdict import FLAT, INCONCLUSIVE, INVERSE, SCALING

NAME = "sensitivity"
WORDS = (SCALING, INVERSE, FLAT, INCONCLUSIVE)


def newest() -> dict[str, Any] | None:
    """The last full record under outputs/results/benchmarks, or None."""
    for path in sorted((outputs_folder() / "results" / "benchmarks").glob("????-??-??.json"))[::-1]:
        record = read(path)
        if record:
            return record
    return None


def read(path: Path) -> dict[str, Any] | None:
    """The record in a file of `make bench` (all by name) or of the benchmark alone."""
    found = json.loads(path.read_text(encoding="utf-8"))
    record = found if found.get("benchmark") == NAME else found.get(NAME, {})
    return record if record.get("rows") else None


def picture(record: dict[str, Any]) -> Picture:
    """Power over the planted gain, one curve a sample size."""
    rows = record["rows"]
    return Picture(
        name=NAME,
        title="How often a planted gain is called scaling",
        caption=(
            f"Share of simulated tables that the verdict calls {SCALING}, over the gain that was "
            "planted, at the size of SPY's validation years and at multiples of it. At a gain of "
            f"0 it is the false alarm; the line marks {POWER:.0%}."
        ),
        data=pl.DataFrame(rows, infer_schema_length=None),
        draw=lambda axes: draw(axes, rows),
    )


def draw(axes: Axes, rows: list[dict[str, Any]]) -> None:
    samples = list(dict.fromkeys(row["sample"] for row in rows))
    for index, sample in enumerate(samples):
        own = sorted((row for row in rows if row["sample"] == sample), key=lambda row: row["gain"])
        axes.plot(
            [1000 * row["gain"] for row in own], [100 * row[SCALING] for row in own],
            marker=MARKERS[index % len(MARKERS)], markersize=4.5, label=sample,
            color=shade_of(index, len(samples)),
        )  # fmt: skip
    axes.axhline(100 * POWER, color="C1", linestyle="--", linewidth=1.2, label=f"{POWER:.0%}")
    axes.set(
        xlabel="planted gain, millinats per decade of parameters",
        ylabel=f"called {SCALING}, % of tables", ylim=(-3, 103),
    )  # fmt: skip
    legend_below(axes)


def table(record: dict[str, Any]) -> Table:
    """How often each word was said at each planted gain."""
    return Table(
        name=NAME,
        title="Verdicts on planted gains",
        columns=(
            Column("sample", "sample"),
            Column("gain", "planted, nats per decade", ".4f"),
            *(Column(word, word, ".1%") for word in WORDS),
            Column("smallest", f"seen in {POWER:.0%} from", ".4f"),
        ),
        rows=record["rows"],
        note=f"Measured on {record['date']}" + (", roughly." if record.get("quick") else "."),
    )
