"""What every benchmark shares: its command line, its record, and cases in fresh processes.

    BENCHMARK = Benchmark(
        name="blas",
        question="What is the fast BLAS worth?",
        measure=measure,                      # (quick: bool) -> list of flat rows
        columns={"size": "size", "fast": "GFLOP/s with mlxts|.1f"},
        picture=Picture("bars", ("size",), "fast"),
    )

    if __name__ == "__main__":
        main(BENCHMARK)

The record, which `--json FILE` writes, is one object: benchmark, question, machine, quick,
seconds, load (of the machine, when it began), date, rows, columns, picture, notes; `skipped` with a
reason instead of rows where the benchmark cannot run (exit status 0).
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from mlxts.platform import (
    device,
    huge_pages,  # before MLX, so that MLX finds the fast BLAS
)

# isort: split
from mlxts.cli.output import note
from mlxts.files import write_json

Row = dict[str, Any]  # str, int, float, bool or None by column


class Skip(Exception):
    """Raised by a benchmark that cannot run here; the message says why."""


@dataclass(frozen=True)
class Picture:
    """How rows become one picture."""

    kind: Literal["bars", "lines"]
    x: tuple[str, ...]  # columns that name a bar; of lines the one horizontal axis
    y: str  # the column that is drawn
    by: str | None = None  # a colour for each value of this column
    log: bool = False  # both axes of lines, the value axis of bars
    level: float | None = None  # a line to compare with: an aim, or 1 for a ratio
    where: dict[str, Any] = field(default_factory=dict)  # only rows with these values


@dataclass(frozen=True)
class Benchmark:
    """One question and how it is answered."""

    name: str  # of the file, without .py
    question: str  # one line, with its question mark
    measure: Callable[[bool], list[Row]]  # given: quick, a few seconds and no claim to precision
    columns: dict[str, str]  # key of a row -> "title|format", in the order of the table
    picture: Picture | None = None
    notes: Sequence[str] = ()  # sentences under the table: how it was measured, what is aimed at
    case: Callable[..., Any] | None = None  # what `fresh` runs in a process of its own


def main(benchmark: Benchmark, arguments: Sequence[str] | None = None) -> None:
    """Run a benchmark from its command line."""
    parser = argparse.ArgumentParser(description=benchmark.question)
    parser.add_argument("--quick", action="store_true", help="a few seconds, roughly")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record there")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.case is not None:
        assert benchmark.case is not None
        print(json.dumps(benchmark.case(**json.loads(asked.case))))
        return
    record = run(benchmark, quick=asked.quick)
    show(record)
    if asked.json:
        write_json(asked.json, record)


def run(benchmark: Benchmark, *, quick: bool) -> Row:
    """Measure, and return the record."""
    began, load = time.perf_counter(), os.getloadavg()[0]
    record = {
        "benchmark": benchmark.name,
        "question": benchmark.question,
        "machine": device.describe(),
        "date": str(date.today()),
        "quick": quick,
        "load": round(load, 2),
        "columns": benchmark.columns,
        "picture": benchmark.picture and asdict(benchmark.picture),
        "notes": list(benchmark.notes),
        "rows": [],
    }
    try:
        record["rows"] = benchmark.measure(quick)
    except Skip as reason:
        record["skipped"] = str(reason)
    return {**record, "seconds": round(time.perf_counter() - began, 1)}


def fresh(file: str, case: Row, environment: Mapping[str, str] | None = None) -> Any:
    """What the case of the benchmark in `file` returns for `case`, from a process of its own.

    Peak memory and the choice of a BLAS belong to a process, and so do the variables in
    `environment`, e.g. {"MLXTS_THREADS": "1"}. What the case prints itself goes to standard error.

    Raises:
        CalledProcessError: the process failed; what it said is on standard error.
    """
    done = subprocess.run(
        [sys.executable, file, "--case", json.dumps(case)],
        env={**os.environ, **huge_pages.variables(), **(environment or {})},  # as commands start
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    *said, result = done.stdout.splitlines()
    for line in said:
        note(line)
    return json.loads(result)


def cells(record: Row) -> tuple[list[str], list[list[str]]]:
    """Titles and formatted rows of a record's table; a dash where a figure is missing."""
    columns = record.get("columns") or {key: key for row in record["rows"] for key in row}
    titles = [title.partition("|")[0] for title in columns.values()]
    formats = [title.partition("|")[2] for title in columns.values()]
    rows = [
        [_cell(row.get(key), how) for key, how in zip(columns, formats, strict=True)]
        for row in record["rows"]
    ]
    return titles, rows


def show(record: Row) -> None:
    """The record as plain lines: its tables are wider than most terminals, so nothing is folded."""
    print(record["question"])
    if "skipped" in record:
        print(f"skipped: {record['skipped']}")
        return
    titles, rows = cells(record)
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for line in (titles, ["-" * width for width in widths], *rows):
        padded = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())
    for line in record.get("notes", ()):
        print(line)


def _cell(value: Any, how: str) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, how) if how and not isinstance(value, str) else str(value)
