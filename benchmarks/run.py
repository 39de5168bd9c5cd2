"""Run every benchmark, one after another, into one file of results: `make bench`.

outputs/results/benchmarks/<date>.json holds the records by name, <date>/ a table and a picture
for each. What is run again on the same day replaces what it said before; what cannot run here, or
fails, is recorded as such and stops nothing.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import render
from mlxts.files import outputs_folder, write_json, write_text

FOLDER = Path(__file__).parent
PLUMBING = ("__init__", "claims", "compare_revisions", "harness", "postgres", "run", "render")
# Studies that take many minutes: only when named, or with --all.
LONG = (
    "bad_inputs", "direction_control", "end_to_end", "fitter_coverage", "handoffs",
    "interval_coverage", "kills", "oracle_checks", "outages", "planted_exponents",
    "residual_controls", "search_controls", "sensitivity",
)  # fmt: skip
SECONDS, LONG_SECONDS = 1200.0, 7200.0  # the longest that one may take, and a long one


def names() -> list[str]:
    """Every benchmark there is, by the name of its file."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in PLUMBING)


def measured(file: Path, *, quick: bool, seconds: float = SECONDS) -> dict[str, Any]:
    """The record of the benchmark in `file`; a record with `failed` where it wrote none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.json")
        command = [sys.executable, str(file), "--json", str(path), *(["--quick"] if quick else [])]
        try:
            _whole(command, seconds)
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            said = {"benchmark": file.stem, "question": file.stem.replace("_", " "), "rows": []}
            return {**said, "failed": _reason(error, seconds)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", help=f"default: all but {', '.join(LONG)}")
    parser.add_argument("--quick", action="store_true", help="a few seconds each, roughly")
    parser.add_argument("--all", action="store_true", help=f"also {', '.join(LONG)}")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.names) - set(names())):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(names())}")
    chosen = asked.names or [name for name in names() if asked.all or name not in LONG]
    day = f"{date.today()}-quick" if asked.quick else str(date.today())
    results = outputs_folder() / "results" / "benchmarks"
    path = results / f"{day}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in chosen:
        print(f"== {name}", flush=True)
        longest = LONG_SECONDS if name in LONG else SECONDS
        record = measured(FOLDER / f"{name}.py", quick=asked.quick, seconds=longest)
        found[name] = record
        write_json(path, dict(sorted(found.items())))  # after each: a stop loses one benchmark
        write_text(results / day / f"{name}.md", render.section(record, picture=f"{name}.svg"))
        render.draw(record, results / day / f"{name}.svg")
    failed = [name for name in chosen if "failed" in found[name]]
    for name in failed:
        print(f"error: {name}: {found[name]['failed']}", file=sys.stderr)
    print(f"results in {path}, tables and pictures in {results / day}")
    return 1 if failed else 0


def _whole(command: list[str], seconds: float) -> None:
    """Run a command that ends, with all that it started, when its time is up or we are stopped.

    Raises:
        CalledProcessError, TimeoutExpired: as `subprocess.run`.
    """
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            status = process.wait(seconds)
        except BaseException:  # a Ctrl-C does not reach another session
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if status:
        raise subprocess.CalledProcessError(status, command)


def _reason(error: Exception, seconds: float) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"took longer than {seconds:.0f} s"
    if isinstance(error, subprocess.CalledProcessError):
        return f"ended with status {error.returncode}; see above"
    return "wrote no record"


if __name__ == "__main__":
    sys.exit(main())
