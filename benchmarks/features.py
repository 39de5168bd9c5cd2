"""How long features take: by tier and symbols, into memory and into a file.

Each measurement is a process of its own (peak memory is a process's), the best of several runs
counts, and simulated bars stand for a symbol of 33 years. Into a file they are written symbol by
symbol, as an artifact is.
"""

import tempfile
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.harness import Benchmark, Picture, Row, fresh, main

BARS = 8_300
MEMORY, FILE = "memory", "file"
CASES = [
    *((size, n, MEMORY) for n in (1, 15) for size in (20, 50, 100, 200, 500, 1000, 2000)),
    *((2000, n, FILE) for n in (1, 2, 5, 15, 50, 100)),
]
AIMS = {(2000, 1, MEMORY): (0.6, None), (2000, 15, FILE): (4.5, 1.2)}  # seconds, GB
RUNS = {1: 7, 2: 5, 5: 3, 15: 2, 50: 1, 100: 1}


def built(size: int, symbols: int, into: str) -> Row:
    """Best seconds of the engine, and of writing as many float32 columns; peak memory in GB."""
    import numpy as np
    import polars as pl

    from mlxts.data.sources import parquet
    from mlxts.features import engine, tiers
    from mlxts.platform import memory

    frame = pl.concat([simulated(seed) for seed in range(symbols)])
    names = tiers.tier(size)

    def build(table: pl.DataFrame) -> pl.DataFrame:
        return engine.build(table.lazy(), names)

    def write() -> None:
        with tempfile.TemporaryDirectory() as folder:
            parquet.write(engine.ahead(build, frame.partition_by("symbol")), Path(folder, "f"))

    build(frame.head(BARS))  # plans and allocates
    measure = write if into == FILE else lambda: build(frame)
    seconds, cpu = zip(*(timed(measure) for _ in range(RUNS[symbols])), strict=True)
    gigabytes = memory.largest_footprint() / 1e9
    source = np.zeros(BARS * symbols, dtype=np.float32)
    copies = (timed(lambda: [source.copy() for _ in range(size)]) for _ in range(3))
    floor = None if into == FILE else min(copies)[0]
    return {"seconds": min(seconds), "cpu": min(cpu), "floor": floor, "gigabytes": gigabytes}


def simulated(seed: int):
    """Bars of one symbol with clustered volatility."""
    from datetime import date, timedelta

    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    level = 0.01 * np.exp(np.cumsum(rng.normal(0, 0.05, BARS)) * 0.1)
    close = 100 * np.exp(np.cumsum(level * rng.standard_t(5, BARS)))
    opened = np.roll(close, 1) * np.exp(0.3 * level * rng.normal(size=BARS))
    reach = level * np.abs(rng.normal(size=(2, BARS)))
    first = date(1993, 1, 29)
    return pl.DataFrame(
        {
            "symbol": f"S{seed:02d}",
            "date": [first + timedelta(days=day * 7 // 5) for day in range(BARS)],
            "open": opened,
            "high": np.maximum(opened, close) * np.exp(reach[0]),
            "low": np.minimum(opened, close) * np.exp(-reach[1]),
            "close": close,
            "volume": np.exp(rng.normal(17, 0.4, BARS)),
        }
    )


def timed(action) -> tuple[float, float]:
    """Seconds by the clock, and of processor time over all threads."""
    began, worked = perf_counter(), process_time()
    action()
    return perf_counter() - began, process_time() - worked


def measure(quick: bool) -> list[Row]:
    rows = []
    for size, symbols, into in CASES[:2] if quick else CASES:
        found = fresh(__file__, {"size": size, "symbols": symbols, "into": into})
        seconds, gigabytes = AIMS.get((size, symbols, into), (None, None))
        aim = None if seconds is None else f"{1e3 * seconds:,.0f} ms"
        aim = aim if gigabytes is None else f"{aim}, {gigabytes} GB"
        share = found["floor"] and found["floor"] / found["seconds"]
        case = {"features": size, "symbols": symbols, "into": into, "aim": aim, "floor": share}
        times = {"milliseconds": 1e3 * found["seconds"], "cpu": 1e3 * found["cpu"]}
        rows.append(case | times | {"gigabytes": found["gigabytes"]})
    return rows


BENCHMARK = Benchmark(
    name="features",
    question="How long do features take?",
    measure=measure,
    columns={
        "features": "features",
        "symbols": "symbols",
        "into": "into",
        "milliseconds": "ms|,.0f",
        "cpu": "CPU ms|,.0f",
        "gigabytes": "peak GB|.2f",
        "floor": "share of writing|.1%",
        "aim": "aim",
    },
    picture=Picture("lines", ("symbols",), "gigabytes", where={"into": FILE}),
    notes=(
        f"{BARS:,} simulated bars a symbol; writing: a copy of as many float32 columns.",
        "Into a file: symbol by symbol, as an artifact is written.",
    ),
    case=built,
)

if __name__ == "__main__":
    main(BENCHMARK)
