"""Do three terminals that hand off at the same time lose anything?

Three processes claim a file, hand off, record a decision and render the documents, a hundred times
each, in a project of their own under git. Afterwards every handoff must stand in its workstream's
table, every claim in its header, every decision in the log with a number of its own, and all of it
must be valid.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Benchmark, Row, Skip, main
from mlxts.workspace import context, context_records, project, scaffold, summaries

ROUNDS, QUICK = 100, 5
_WHO = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
_LOST = ("handoffs lost", "claims lost", "decisions lost", "rows of the overview lost")
_LOOP = """
import sys
from pathlib import Path
from mlxts.cli.app import command_tree
from mlxts.workspace import decisions, documents, handoff, ownership
root, name, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(1, rounds + 1):
    ownership.claim(root, name, [f"{name}/{number}"])
    notes = handoff.HandoffNotes(f"{name} round {number}", next=(f"after {number}",))
    handoff.write(root, name, notes)
    decisions.decide(root, f"{name} decides {number}", why="so")
    documents.render(root, command_tree())
"""


def race(root: Path, rounds: int) -> dict[str, int]:
    """Let one process for each workstream change the records, all at the same time.

    Returns:
        How many of what there should be is not there, or is there but not valid: handoffs, claims,
        decisions, rows of the overview, problems, temporary files, processes that failed.
    """
    started = [
        subprocess.Popen([sys.executable, "-c", _LOOP, str(root), name, str(rounds)], cwd=root)
        for name in context_records.WORKSTREAMS
    ]
    failed = sum(process.wait() != 0 for process in started)
    found = context.load(root)
    lost = dict.fromkeys(_LOST, 0)
    for name, record in found.workstreams.items():
        said = [row.split("|")[4].strip() for row in summaries.history(record.body)]
        wanted = [f"{name} round {number}" for number in range(rounds, 0, -1)]
        held = {claim.path for claim in record.header.owns}
        lost["handoffs lost"] += sum(a != b for a, b in zip(said, wanted, strict=False))
        lost["handoffs lost"] += abs(len(said) - rounds)
        lost["claims lost"] += len({f"{name}/{n}" for n in range(1, rounds + 1)} ^ held)
        lost["decisions lost"] += sum(
            found.decisions.body.count(f": {name} decides {number}\n") != 1
            for number in range(1, rounds + 1)
        )
        lost["rows of the overview lost"] += f"| {name} round {rounds} |" not in found.overview.body
    lost["decisions lost"] += abs(found.decisions.header.decisions - 3 * rounds)
    return lost | {
        "problems": len(list(context.problems(root))),
        "temporary files": len(list((root / project.CONTEXT).rglob(".*.tmp*"))),
        "processes that failed": failed,
    }


def measure(quick: bool) -> list[Row]:
    rounds = QUICK if quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        root = _project(Path(folder))
        began = time.perf_counter()
        lost = race(root, rounds)
        seconds = time.perf_counter() - began
    found = [{"what": what, "count": count} for what, count in lost.items()]
    return [
        {"what": "handoffs, by three processes", "count": 3 * rounds},
        *found,
        {"what": "milliseconds a change", "count": round(1000 * seconds / (12 * rounds))},
    ]


def _project(root: Path) -> Path:
    """Records that begin, in a git repository of their own."""
    scaffold.write(root)
    try:
        for command in (["init", "-q"], ["add", "-A"], [*_WHO, "commit", "-qm", "feat: begin"]):
            subprocess.run(["git", "-C", str(root), *command], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Skip("there is no git") from error
    return root


BENCHMARK = Benchmark(
    name="handoffs",
    question="Is anything lost when three terminals hand off at the same time?",
    measure=measure,
    columns={"what": "what", "count": "count"},
    notes=("Each round claims a file, hands off, records a decision and renders the documents.",),
)

if __name__ == "__main__":
    main(BENCHMARK)
