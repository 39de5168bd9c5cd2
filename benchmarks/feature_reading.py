"""What reading a feature file into the array of training takes, as the file grows."""

import tempfile
from pathlib import Path
from time import process_time

from benchmarks.harness import Benchmark, Picture, Row, fresh, main

FEATURES = 2000
ROWS = (8_000, 30_000, 60_000, 120_000)
MIB = 2**20


def read(file: str, features: int) -> Row:
    """Peak of the process above the array itself, and processor time."""
    import polars as pl

    from mlxts.dataset.build import feature_array
    from mlxts.platform import memory

    before, began = memory.footprint(), process_time()
    array, _ = feature_array(pl.scan_parquet(file), [f"f{n}" for n in range(features)])
    seconds, most = process_time() - began, memory.largest_footprint()
    return {
        "array_mib": array.nbytes / MIB,
        "peak_mib": most / MIB,
        "above_mib": (most - before - array.nbytes) / MIB,
        "seconds": seconds,
    }


def measure(quick: bool) -> list[Row]:
    from benchmarks.memory import write_features

    found = []
    for rows in ROWS[:1] if quick else ROWS:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "features.parquet")
            write_features(rows, FEATURES, file)
            taken = fresh(__file__, {"file": str(file), "features": FEATURES})
        found.append({"rows": rows, **taken})
    return found


BENCHMARK = Benchmark(
    name="feature_reading",
    question="How much memory does reading features take besides their array?",
    measure=measure,
    columns={
        "rows": "rows|,.0f",
        "array_mib": "array MiB|,.0f",
        "peak_mib": "peak of the process MiB|,.0f",
        "above_mib": "above array and libraries MiB|,.0f",
        "seconds": "CPU s|.2f",
    },
    picture=Picture("lines", ("rows",), "above_mib"),
    notes=(f"{FEATURES:,} features, read a few columns at a time from the file of an artifact.",),
    case=read,
)

if __name__ == "__main__":
    main(BENCHMARK)
