"""Benchmark records as tables and figures: docs/performance.md and docs/instrument_validation.md.

    python benchmarks/render.py [RESULTS.json]      # default: the newest of `make bench`

The records of a document are stored beside it, so that it can be rendered again, and what was not
measured this time stays as it was. The same records give the same bytes. Benchmarks that test a
claim of `benchmarks/claims.py` go to the second document, all others to the first.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from benchmarks import claims
from benchmarks.harness import Row, cells
from mlxts.files import outputs_folder, write_json, write_text
from mlxts.formats import three_digits
from mlxts.report.figure import drawing
from mlxts.tables import markdown

DOCS = Path(__file__).parents[1] / "docs"
DOCUMENT, FIGURES = "performance.md", "performance.json"
VALIDATION, VALIDATION_FIGURES = "instrument_validation.md", "instrument_validation.json"
PREFACE = """# Validation: detection power, false positives and interval coverage

Before a verdict on real prices can be trusted, the same pipeline has to detect scaling where it was
planted, report none where there is none, and give confidence intervals with their nominal coverage.
The table lists each claim, what would be wrong if it did not hold, the result and the criterion; a
claim without a criterion is a known limit. All figures are rendered from measurements: `python
benchmarks/run.py NAME` runs one of the benchmarks below, `python benchmarks/render.py` renders this
page from the newest results ([instrument_validation.json](instrument_validation.json)). The
simulated markets are described in [controls.md](controls.md).
"""
INTRODUCTION = """# Performance

`make bench` runs the benchmarks and `python benchmarks/render.py` renders this page from the newest
results ([performance.json](performance.json)). Figures hold for the machine named with them; on a
shared machine they vary by 15 to 30 %, ratios of interleaved pairs by less. A single benchmark:
`python benchmarks/throughput.py`; with `--quick` it takes seconds. Studies that take many minutes
are measured by name: `python benchmarks/run.py kills`.
"""


def document(results: dict[str, Row]) -> str:
    """docs/performance.md for records by name, whose figures are stored beside it."""
    sections = [
        section(record, picture=f"performance_{name}.svg" if drawable(record) else None)
        for name, record in sorted(results.items())
    ]
    return "\n".join([INTRODUCTION, *sections])


def validation(results: dict[str, Row]) -> str:
    """docs/instrument_validation.md for records by name: the claims, then each benchmark."""
    rows = [_claim(claim, results.get(claim.benchmark)) for claim in claims.CLAIMS]
    titles = ["claim", "if it did not hold", "result", "criterion", "met", "benchmark"]
    sections = [
        section(record, picture=f"validation_{name}.svg" if drawable(record) else None)
        for name, record in sorted(results.items())
    ]
    summary = markdown(titles, rows)
    return "\n".join([PREFACE, summary, "", *sections])


def _claim(claim: claims.Claim, record: Row | None) -> list[str]:
    measured = bool(record and record.get("rows"))
    result, met = claim.check(record["rows"]) if record and measured else ("not measured yet", None)
    outcome = "–" if met is None else "yes" if met else "**no**"
    source = f"`{claim.benchmark}`" + (", quick" if record and record.get("quick") else "")
    criterion = claim.criterion or "–"
    return [claim.statement, claim.consequence, result, criterion, outcome, source]


def section(record: Row, *, picture: str | None) -> str:
    """One question as Markdown: machine, table, figure, notes."""
    lines = [f"## {record['question']}", ""]
    if "skipped" in record or "failed" in record:
        reason = record.get("skipped") or record.get("failed")
        return "\n".join([*lines, f"Not measured here: {reason}.", ""])
    titles, rows = cells(record)
    lines += [markdown(titles, rows), ""]
    if picture and drawable(record):
        lines += [f"![{record['question']}]({picture})", ""]
    for paragraph in (*record.get("notes", ()), _machine(record)):
        lines += [paragraph, ""]
    return "\n".join([*lines, f"`benchmarks/{record['benchmark']}.py`"]) + "\n"


def drawable(record: Row) -> bool:
    return bool(record.get("picture") and record.get("rows"))


def draw(record: Row, path: Path) -> None:
    """The record's figure, where it has one. Raises StorageError."""
    if not drawable(record):
        return
    asked = record["picture"]
    where = asked.get("where") or {}
    rows = [
        row
        for row in record["rows"]
        if row.get(asked["y"]) is not None
        and all(row.get(key) == value for key, value in where.items())
    ]
    bars = asked["kind"] == "bars"
    with drawing(path, size=(8.5, 1.2 + 0.28 * len(rows) if bars else 4.2)) as figure:
        axes = figure.subplots()
        (_bars if bars else _lines)(axes, rows, asked)
        axes.set_title(record["question"])
        title = _title(record, asked["y"])
        if bars:
            axes.set_xlabel(title)
        else:
            axes.set(xlabel=_title(record, asked["x"][0]), ylabel=title)


def newest() -> Path | None:
    """The last full results of `make bench` in this workspace."""
    found = sorted((outputs_folder() / "results" / "benchmarks").glob("????-??-??.json"))
    return found[-1] if found else None


def main(arguments: list[str] | None = None, docs: Path = DOCS) -> int:
    parser = argparse.ArgumentParser(description=f"Render docs/{DOCUMENT} and docs/{VALIDATION}.")
    parser.add_argument("results", nargs="?", type=Path, help="default: the newest")
    path = parser.parse_args(arguments).results or newest()
    if path is None:
        print("error: there are no results; run `make bench` first", file=sys.stderr)
        return 2
    measured = json.loads(path.read_text(encoding="utf-8"))
    of_claims = {name: record for name, record in measured.items() if name in claims.NAMES}
    others = {name: record for name, record in measured.items() if name not in claims.NAMES}
    for new, text, figures, prefix, make in (
        (others, DOCUMENT, FIGURES, "performance", document),
        (of_claims, VALIDATION, VALIDATION_FIGURES, "validation", validation),
    ):
        if not new:
            continue
        kept = docs / figures
        results = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        results = dict(sorted((results | new).items()))
        for name, record in results.items():
            draw(record, docs / f"{prefix}_{name}.svg")
        write_json(kept, results)
        write_text(docs / text, make(results))
        print(f"{docs / text} rendered from {path}")
    return 0


def _bars(axes: Axes, rows: list[Row], asked: dict[str, Any]) -> None:
    """One horizontal bar a row, the first on top, its value written beside it."""
    by = asked.get("by")
    groups = list(dict.fromkeys(row.get(by) for row in rows))
    places = range(len(rows))
    values = [row[asked["y"]] for row in rows]
    colors = [f"C{groups.index(row.get(by))}" for row in rows]
    drawn = axes.barh(places, values, color=colors)
    axes.bar_label(drawn, [three_digits(value) for value in values], padding=3, fontsize=8)
    axes.set_yticks(places, [_name(row, asked["x"]) for row in rows])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.12)
    if asked.get("log"):
        axes.set_xscale("log")
    if asked.get("level") is not None:
        axes.axvline(asked["level"], color="0.3", linestyle="--", linewidth=1.0)


def _lines(axes: Axes, rows: list[Row], asked: dict[str, Any]) -> None:
    """A curve for each value of `by`."""
    across, by = asked["x"][0], asked.get("by")
    for group in dict.fromkeys(row.get(by) for row in rows):
        own = sorted((row for row in rows if row.get(by) == group), key=lambda row: row[across])
        label = None if by is None else f"{by.replace('_', ' ')} {group}"
        axes.plot([r[across] for r in own], [r[asked["y"]] for r in own], "o-", label=label)
    if asked.get("log"):
        axes.set(xscale="log", yscale="log")
        places = sorted({row[across] for row in rows})
        axes.set_xticks(places, [three_digits(place) for place in places])
        axes.minorticks_off()
    if asked.get("level") is not None:
        axes.axhline(asked["level"], color="0.3", linestyle="--", linewidth=1.0)
    if by is not None:
        axes.legend()


def _name(row: Row, keys: list[str]) -> str:
    return ", ".join(str(row[key]) for key in keys if row.get(key) is not None)


def _title(record: Row, key: str) -> str:
    return (record.get("columns") or {}).get(key, key).partition("|")[0]


def _machine(record: Row) -> str:
    machine = record["machine"]
    threads = machine["threads"]
    text = (
        f"{machine['device_name']} ({machine['device']}), {threads} thread{'s' * (threads != 1)}, "
        f"{machine['blas']}, {machine['kernels']} kernels, MLX {machine['mlx']}, "
        f"Python {machine['python']}"
    )
    text += f"; load average {record['load']} at the start" if "load" in record else ""
    text += "; quick, imprecise" if record.get("quick") else ""
    return f"{record['date']}: {text}." if "date" in record else f"{text}."


if __name__ == "__main__":
    sys.exit(main())
