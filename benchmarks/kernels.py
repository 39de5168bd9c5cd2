"""How many kernels a training step launches, counted on its compiled graph.

A small model on a large GPU is bound by launches: each takes its microseconds whatever it
computes. Counted are the nodes of the graph that MLX is about to evaluate (`mx.export_to_dot`);
reshapes, transpositions and other views launch nothing.
"""

import io
import re
from collections import Counter
from typing import Any
from unittest.mock import patch

from harness import Benchmark, Picture, Row, fresh, main

CASES = (
    ("2M", "mixing", 64), ("2M", "independent", 8), ("20M", "mixing", 64), ("200M", "mixing", 16),
)  # fmt: skip
VIEWS = frozenset(
    ("Reshape", "Transpose", "Squeeze", "ExpandDims", "Unflatten", "Flatten", "Broadcast",
     "BroadcastAxes", "Split", "Slice", "AsStrided", "Depends", "StopGradient", "View")
)  # fmt: skip
GROUPS = {
    "products": ("Matmul", "AddMM"),
    "fused element by element": ("Compiled",),
    "random bits": ("RandomBits",),
    "sums": ("Reduce", "Sum", "ArgReduce"),
    "copies": ("Copy", "Concatenate", "Pad", "Contiguous", "AsType"),
    "gather and scatter": ("Gather", "GatherAxis", "Scatter", "ScatterAxis", "SliceUpdate"),
}


def counted(budget: str, channels: str, batch: int) -> Row:
    """Kernels of one step by group."""
    from contenders.case import Case
    from contenders.ours import Ours

    ours = Ours(Case(budget, channels, 20, batch), 0.5)
    names = Counter(kernels(ours))
    row: Row = {"model": f"{budget} {channels} B{batch}", "layers": ours.shape.depth}
    grouped = 0
    for group, kinds in GROUPS.items():
        row[group] = sum(n for name, n in names.items() if name.startswith(kinds))
        grouped += row[group]
    row["others"] = sum(names.values()) - grouped
    row["all"] = sum(names.values())
    return row


def kernels(ours: Any) -> list[str]:
    """Names of the kernels of one step, as often as they run."""
    import mlx.core as mx
    from mlx.utils import tree_flatten

    from mlxts import transfer

    taken: list[str] = []

    def export(*trees: Any) -> None:
        text = io.StringIO()
        mx.export_to_dot(text, *(array for _, array in tree_flatten(trees)))
        taken.extend(re.findall(r'label ="([^"]+)"', text.getvalue()))

    ours.step(0)  # weights and moments are there then
    with patch.object(transfer, "start", export):
        ours.step(1)
    return [name for name in taken if name not in VIEWS]


def measure(quick: bool) -> list[Row]:
    keys = ("budget", "channels", "batch")
    cases = [dict(zip(keys, case, strict=True)) for case in CASES]
    return [fresh(__file__, case) for case in (cases[:1] if quick else cases)]


BENCHMARK = Benchmark(
    name="kernels",
    question="How many kernels does a training step launch?",
    measure=measure,
    columns={
        "model": "model", "layers": "layers", **{group: group for group in GROUPS},
        "others": "others", "all": "all",
    },
    picture=Picture("bars", ("model",), "all"),
    notes=(
        "Counted on the compiled graph of one step on a CPU; views launch nothing. A GPU's layer "
        "norm is one kernel forward and one backward, where the CPU's is products and sums.",
    ),
    case=counted,
)  # fmt: skip

if __name__ == "__main__":
    main(BENCHMARK)
