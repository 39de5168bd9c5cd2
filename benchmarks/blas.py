"""What the fast BLAS is worth: matrix products with it and with the one MLX's wheel links.

Each measurement is a process of its own, because the library is bound when MLX is imported; the
two take turns, and the best of the turns counts.
"""

import subprocess
import sys

from mlxts.cli.output import table

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


def measure(prelude: str) -> list[float]:
    """GFLOP/s for each size, in a fresh process."""
    code = prelude + MEASURE.format(sizes=SIZES)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    turns = [(measure("import mlxts"), measure("")) for _ in range(TURNS)]
    rows = []
    for index, size in enumerate(SIZES):
        fast = max(turn[0][index] for turn in turns)
        slow = max(turn[1][index] for turn in turns)
        rows.append([f"{size} x {size}", f"{slow:.1f}", f"{fast:.1f}", f"{fast / slow:.0f}"])
    table(
        "float32 matrix product, GFLOP/s",
        ["size", "MLX's wheel", "with mlxts imported", "ratio"],
        rows,
    )


if __name__ == "__main__":
    main()
