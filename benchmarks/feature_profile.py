"""Where the time of 2,000 features goes, from the plan to the file.

Processor time of one symbol, the least of several. Planning is what the same plans take on a few
bars, their kernels left out: it does not depend on the number of bars.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from time import process_time, thread_time
from typing import Any
from unittest.mock import patch

from benchmarks.features import BARS, simulated
from benchmarks.harness import Benchmark, Picture, Row, fresh, main

TIER = 2000
FEW = 80  # bars
TALIB = "indicator"  # the name of the kernels that call it


def profile(runs: int) -> list[Row]:
    """A row for each part, with its milliseconds and how many times it is called."""
    from mlxts.data.sources import parquet
    from mlxts.features import catalog, engine, kernels, tiers

    features = tuple(catalog.get(name) for name in tiers.tier(TIER))
    bars = simulated(0)
    spent: dict[str, list[float]] = defaultdict(list)
    compute = kernels.on_series

    def timed(kernel: Callable[..., Any], series: Any) -> Any:
        began = thread_time()
        result = compute(kernel, series)
        name = getattr(kernel, "__qualname__", "").partition(".")[0]
        spent[name].append(thread_time() - began)
        return result

    def least(build: Callable[[], Any]) -> tuple[float, dict[str, list[float]]]:
        """The quickest of the runs, and what its kernels took."""
        best = (float("inf"), {})
        for _ in range(runs):
            spent.clear()
            began = process_time()
            build()
            best = min(best, (process_time() - began, dict(spent)), key=lambda run: run[0])
        return best

    with patch.object(kernels, "on_series", timed):
        table = engine.build_symbol(bars, features)
        few, few_kernels = least(lambda: engine.build_symbol(bars.head(FEW), features))
        whole, by_kernel = least(lambda: engine.build_symbol(bars, features))
    planning = few - sum(map(sum, few_kernels.values()))
    in_kernels = sum(map(sum, by_kernel.values()))
    with tempfile.TemporaryDirectory() as folder:
        writing, _ = least(lambda: parquet.write([table], Path(folder, "f")))
    columns = sum(len(stage) for part in engine.plan(features) for stage in part.stages)
    rows = [
        ("Polars: planning", planning, columns + TIER),
        ("Polars: computing", whole - planning - in_kernels, columns + TIER),
        ("TA-Lib", sum(by_kernel[TALIB]), len(by_kernel[TALIB])),
        *(
            (f"our kernel: {name.replace('_', ' ')}", sum(seconds), len(seconds))
            for name, seconds in sorted(by_kernel.items(), key=lambda pair: -sum(pair[1]))
            if name != TALIB
        ),
        ("writing the file", writing, 1),
    ]
    total = whole + writing
    return [
        {"part": part, "calls": calls, "milliseconds": 1e3 * seconds, "share": seconds / total}
        for part, seconds, calls in rows
    ]


def measure(quick: bool) -> list[Row]:
    return fresh(__file__, {"runs": 2 if quick else 15})


BENCHMARK = Benchmark(
    name="feature_profile",
    question="Where does the time of features go?",
    measure=measure,
    columns={
        "part": "part",
        "calls": "calls|,.0f",
        "milliseconds": "CPU ms|.1f",
        "share": "share|.1%",
    },
    picture=Picture("bars", ("part",), "milliseconds"),
    notes=(
        f"{TIER:,} features of one symbol, {BARS:,} bars: the least processor time of 15 runs.",
        "Planning: what the same plans take on a few bars, whose number it does not depend on.",
    ),
    case=profile,
)

if __name__ == "__main__":
    main(BENCHMARK)
