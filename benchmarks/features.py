"""How long features take: by tier and symbols, against the time to merely write them down.

Each measurement is a process of its own (peak memory is a process's), the best of several runs
counts, and simulated bars stand for a symbol of 33 years.
"""

from time import perf_counter

from benchmarks.harness import Benchmark, Picture, Row, fresh, main

BARS = 8_300
CASES = [(size, symbols) for symbols in (1, 15) for size in (20, 50, 100, 200, 500, 1000, 2000)]
AIMS = {(2000, 1): (0.6, None), (2000, 15): (8.0, 1.5)}  # seconds, GB
RUNS = {1: 7, 15: 2}


def built(size: int, symbols: int) -> Row:
    """Best seconds of the engine, and of writing as many float32 columns; peak memory in GB."""
    import numpy as np
    import polars as pl

    from mlxts.features import engine, tiers
    from mlxts.platform import memory

    frame = pl.concat([simulated(seed) for seed in range(symbols)]).lazy()
    names = tiers.tier(size)
    engine.build(frame, names)  # plans and allocates
    seconds = min(timed(lambda: engine.build(frame, names)) for _ in range(RUNS[symbols]))
    gigabytes = memory.largest_footprint() / 1e9
    source = np.zeros(BARS * symbols, dtype=np.float32)
    floor = min(timed(lambda: [source.copy() for _ in range(size)]) for _ in range(5))
    return {"seconds": seconds, "floor": floor, "gigabytes": gigabytes}


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


def timed(action) -> float:
    began = perf_counter()
    action()
    return perf_counter() - began


def measure(quick: bool) -> list[Row]:
    rows = []
    for size, symbols in CASES[:2] if quick else CASES:
        found = fresh(__file__, {"size": size, "symbols": symbols})
        seconds, gigabytes = AIMS.get((size, symbols), (None, None))
        aim = None if seconds is None else f"{1e3 * seconds:,.0f} ms"
        aim = aim if gigabytes is None else f"{aim}, {gigabytes} GB"
        share = found["floor"] / found["seconds"]
        milliseconds = 1e3 * found["seconds"]
        case = {"features": size, "symbols": symbols, "milliseconds": milliseconds}
        rows.append(case | {"gigabytes": found["gigabytes"], "floor": share, "aim": aim})
    return rows


BENCHMARK = Benchmark(
    name="features",
    question="How long do features take?",
    measure=measure,
    columns={
        "features": "features",
        "symbols": "symbols",
        "milliseconds": "ms|,.0f",
        "gigabytes": "peak GB|.2f",
        "floor": "share of writing|.1%",
        "aim": "aim",
    },
    picture=Picture("lines", ("features",), "milliseconds", "symbols", log=True),
    notes=(f"{BARS:,} simulated bars a symbol; writing: a copy of as many float32 columns.",),
    case=built,
)

if __name__ == "__main__":
    main(BENCHMARK)
