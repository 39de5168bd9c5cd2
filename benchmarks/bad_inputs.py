"""What becomes of bad inputs: arguments, damaged files, full disks, wrong environments.

python benchmarks/bad_inputs.py             # all, about ten minutes
python benchmarks/bad_inputs.py --quick     # a few hundred
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.harness import Benchmark, Row, main

# isort: split
from benchmarks.bad import arguments, damage, surroundings, world
from benchmarks.bad.case import Bench, Case, Ended
from benchmarks.bad.server import Server


def measure(quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        home = Path(folder, "template")
        world.build(home)
        bench = Bench(home, Path(folder), server)
        chosen = cases(home, quick)
        return rows(_told(bench.run(case)) for case in chosen)


def cases(home: Path, quick: bool) -> list[Case]:
    """All of them, in an order that never changes; `quick`: every tenth."""
    found = [
        *arguments.cases(), *damage.cases(), *damage.of_keys(home), *damage.manifest_paths(),
        *surroundings.cases(),
    ]  # fmt: skip
    return found[::10] if quick else found


def rows(ended: Iterable[Ended]) -> list[Row]:
    """One row a kind of input."""
    by_kind: dict[str, list[Ended]] = {}
    for one in ended:
        by_kind.setdefault(one.case.kind, []).append(one)
    made = []
    for kind, group in by_kind.items():
        judged = Counter(one.judged for one in group)
        codes = Counter(one.outcome.code for one in group)
        made.append(
            {
                "kind": kind,
                "cases": len(group),
                "traceback": judged["traceback"],
                "accepted": judged["accepted"],
                "refused": judged["refused"],
                "told": judged["told"],
                "mended": judged["mended"],
                "not_read": judged["not read"],
                "litter": sum(bool(one.litter) for one in group),
                "codes": ", ".join(f"{code}: {count}" for code, count in sorted(codes.items())),
            }
        )
    return made


def _told(one: Ended) -> Ended:
    if one.judged in ("traceback", "accepted") or one.litter:
        words = " ".join(one.case.arguments)
        print(f"{one.judged}: {one.case.what}: mlxts {words}: {one.line[:300]}", file=sys.stderr)
    return one


BENCHMARK = Benchmark(
    name="bad_inputs",
    question="Does any bad input end in a traceback, or pass without a message?",
    measure=measure,
    columns={
        "kind": "bad input",
        "cases": "cases",
        "traceback": "tracebacks",
        "accepted": "accepted without a message",
        "refused": "refused in one line",
        "told": "done, with a message",
        "mended": "repaired",
        "not_read": "not read by the command",
        "litter": "half-written files left",
        "codes": "exit codes",
    },
    notes=(
        "Each is called on a fresh copy of a small workspace. Not read: output and files are those "
        "of the same call on the whole workspace.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
