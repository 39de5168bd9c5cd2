"""What the fast BLAS is worth: matrix products with it and with the one MLX's wheel links.

Each measurement is a process of its own, because the library is bound when MLX is imported; the
two take turns, and the best of the turns counts.
"""

import subprocess
import sys

from benchmarks.harness import Benchmark, Picture, Row, main

SIZES = (256, 512, 1024)
TURNS = 3
MEASURE = """
import time, mlx.core as mx
for size in {sizes}:
    a, b = mx.random.normal((2, size, size), key=mx.random.key(0))
    mx.eval(a @ b)
    best = 1e9
    for _ in range(4):
        began = time.perf_counter(); mx.eval(a @ b); best = min(best, time.perf_counter() - began)
    print(2 * size**3 / best / 1e9)
"""


def speeds(prelude: str, sizes: tuple[int, ...]) -> list[float]:
    """GFLOP/s for each size, in a fresh process."""
    code = prelude + MEASURE.format(sizes=sizes)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def measure(quick: bool) -> list[Row]:
    sizes = SIZES[:2] if quick else SIZES
    turns = [
        (speeds("from mlxts import platform; platform.enable()", sizes), speeds("", sizes))
        for _ in range(1 if quick else TURNS)
    ]
    rows = []
    for index, size in enumerate(sizes):
        fast = max(turn[0][index] for turn in turns)
        wheel = max(turn[1][index] for turn in turns)
        rows.append(
            {"size": f"{size} x {size}", "wheel": wheel, "fast": fast, "ratio": fast / wheel}
        )
    return rows


BENCHMARK = Benchmark(
    name="blas",
    question="How much faster is a matrix product with the fast BLAS?",
    measure=measure,
    columns={
        "size": "float32 product",
        "wheel": "GFLOP/s, MLX's wheel|.1f",
        "fast": "GFLOP/s, mlxts imported|.1f",
        "ratio": "ratio|.0f",
    },
    picture=Picture("bars", ("size",), "ratio", level=1.0),
    notes=("Each in its own processes, interleaved; the best run counts.",),
)

if __name__ == "__main__":
    main(BENCHMARK)
